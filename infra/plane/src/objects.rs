//! The part of S3 that the service uses: objects in files.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use axum::{
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// A folder with a file for each object.
pub(crate) struct Objects(PathBuf);

impl Objects {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir.to_owned()))
    }

    /// Answers a request for an object. The path is that of S3's path style: the bucket and the key.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        if key.is_empty() {
            return if method == Method::HEAD {
                StatusCode::OK
            } else {
                StatusCode::METHOD_NOT_ALLOWED
            }
            .into_response();
        }
        let is_chunked = headers
            .get(header::CONTENT_ENCODING)
            .is_some_and(|encoding| encoding == "aws-chunked");
        let file = self.0.join(utf8_percent_encode(key, NON_ALPHANUMERIC).to_string());
        let done = match method.as_str() {
            "PUT" if is_chunked => return StatusCode::NOT_IMPLEMENTED.into_response(),
            "PUT" => self.put(&file, body).map(|()| StatusCode::OK.into_response()),
            "GET" => fs::read(&file).map(IntoResponse::into_response),
            "DELETE" => match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(StatusCode::NO_CONTENT.into_response()),
            },
            _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
        };
        done.unwrap_or_else(|error| {
            let (status, code) = match error.kind() {
                ErrorKind::NotFound => (StatusCode::NOT_FOUND, "NoSuchKey"),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            };
            let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{error}</Message></Error>");
            (status, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
        })
    }

    /// A reader finds the old object or the new one, and never a part.
    fn put(&self, file: &Path, body: &[u8]) -> io::Result<()> {
        let new = self.0.join(format!("new-{}", Uuid::new_v4()));
        fs::write(&new, body)?;
        fs::rename(new, file)
    }
}

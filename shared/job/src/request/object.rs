//! Reads a request body that is one JSON object.

use serde::de::DeserializeOwned;

use super::explain::{SubmissionError, explain, malformed};

/// Reads a request body.
///
/// # Errors
/// [`SubmissionError::Malformed`] if the body is not one JSON object in UTF-8. Otherwise the error
/// names the first field that has a wrong type, name or value.
pub fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, SubmissionError> {
    let body = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        SubmissionError::Malformed(format!(
            "The body is not UTF-8, because no character starts at byte {at}. Send UTF-8."
        ))
    })?;
    match body.trim_ascii_start().chars().next() {
        Some('{') => {}
        Some(_) => {
            let wrong = "The body is not a JSON object. Send one JSON object, in braces.";
            return Err(SubmissionError::Malformed(wrong.to_owned()));
        }
        None => return Err(SubmissionError::Malformed("The body is empty. Send one JSON object.".to_owned())),
    }
    let mut json = serde_json::Deserializer::from_str(body);
    let object = serde_path_to_error::deserialize(&mut json).map_err(|error| explain(&error))?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(object)
}

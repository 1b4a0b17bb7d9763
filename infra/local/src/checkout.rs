//! Where this checkout is on disk, and where it keeps its local state.

use std::path::{Path, PathBuf};

/// The root of the checkout that this program was built from.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// The folder for all local state of this checkout. Git ignores it.
pub fn local() -> PathBuf {
    workspace().join(".local")
}

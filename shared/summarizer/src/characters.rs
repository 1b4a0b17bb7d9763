//! Functions for single characters and their case.

/// Whether a character is white space or cannot be seen. Control characters, byte order marks,
/// zero-width spaces and soft hyphens cannot be seen.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{00ad}')
}

/// Writes `word` in lower case to `lower`.
pub(super) fn lowercase(word: &str, lower: &mut String) {
    lower.clear();
    if word.is_ascii() {
        lower.push_str(word);
        lower.make_ascii_lowercase();
    } else {
        lower.push_str(&word.to_lowercase());
    }
}

//! Which language a text is in, and what the libraries know about that language.

use rust_stemmers::{Algorithm, Stemmer};

/// Bytes of the text that detection looks at.
const SAMPLE: usize = 2_000;

/// A language by its ISO 639-1 code, or the unknown one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Language(&'static str);

/// Code, stemmer. A language without a stemmer still has stop words or sentence rules.
const KNOWN: [(&str, Option<Algorithm>); 22] = [
    ("ar", Some(Algorithm::Arabic)),
    ("da", Some(Algorithm::Danish)),
    ("de", Some(Algorithm::German)),
    ("el", Some(Algorithm::Greek)),
    ("en", Some(Algorithm::English)),
    ("es", Some(Algorithm::Spanish)),
    ("fi", Some(Algorithm::Finnish)),
    ("fr", Some(Algorithm::French)),
    ("hi", None),
    ("hu", Some(Algorithm::Hungarian)),
    ("it", Some(Algorithm::Italian)),
    ("ja", None),
    ("ko", None),
    ("nl", Some(Algorithm::Dutch)),
    ("no", Some(Algorithm::Norwegian)),
    ("pt", Some(Algorithm::Portuguese)),
    ("ro", Some(Algorithm::Romanian)),
    ("ru", Some(Algorithm::Russian)),
    ("sv", Some(Algorithm::Swedish)),
    ("tr", Some(Algorithm::Turkish)),
    ("vi", None),
    ("zh", None),
];

impl Language {
    /// Guesses from the first two thousand bytes.
    pub(super) fn detect(text: &str) -> Self {
        use whichlang::Lang;
        let sample = &text[..text.floor_char_boundary(SAMPLE)];
        Self(match whichlang::detect_language(sample) {
            Lang::Ara => "ar",
            Lang::Cmn => "zh",
            Lang::Deu => "de",
            Lang::Eng => "en",
            Lang::Fra => "fr",
            Lang::Hin => "hi",
            Lang::Ita => "it",
            Lang::Jpn => "ja",
            Lang::Kor => "ko",
            Lang::Nld => "nl",
            Lang::Por => "pt",
            Lang::Rus => "ru",
            Lang::Spa => "es",
            Lang::Swe => "sv",
            Lang::Tur => "tr",
            Lang::Vie => "vi",
        })
    }

    /// The language of a BCP 47 tag; region and script are ignored.
    pub(super) fn from_tag(tag: &str) -> Self {
        let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        Self(KNOWN.iter().map(|(code, _)| *code).find(|code| *code == primary).unwrap_or("und"))
    }

    /// BCP 47 tag, `und` if unknown.
    pub(super) const fn tag(self) -> &'static str {
        self.0
    }

    pub(super) fn stemmer(self) -> Option<Stemmer> {
        let algorithm = KNOWN.iter().find(|(code, _)| *code == self.0).and_then(|(_, algorithm)| *algorithm);
        algorithm.map(Stemmer::create)
    }

    pub(super) fn stop_words(self) -> &'static [&'static str] {
        stop_words::lookup(self.0).unwrap_or_default()
    }
}

//! Gives the engine arbitrary bytes and options. It must not panic, every sentence must be in the
//! text, and the length must be kept.
//!
//! The first five bytes choose the options, and the rest is the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use summarizer::{Budget, Options, Sort, summarize};

const LANGUAGES: [Option<&str>; 12] = [
    None,
    Some("en"),
    Some("fr"),
    Some("de"),
    Some("ru"),
    Some("zh"),
    Some("ja"),
    Some("th"),
    Some("ar"),
    Some("hi"),
    Some("vi"),
    Some("und"),
];

fuzz_target!(|data: &[u8]| {
    let [kind, most, flags, tongue, focused, text @ ..] = data else { return };
    let text = String::from_utf8_lossy(text);
    let most = u32::from(*most) + 1;
    let budget = match kind % 4 {
        0 => Budget::Sentences(most),
        1 => Budget::Words(most),
        2 => Budget::Characters(most),
        _ => Budget::Ratio(f64::from(most) / 256.0),
    };
    let options = Options {
        budget,
        sort: if flags & 1 == 0 { Sort::Position } else { Sort::Rank },
        language: LANGUAGES[usize::from(*tongue) % LANGUAGES.len()],
        focus: (focused & 1 == 1).then(|| text.get(..20)).flatten(),
        markdown: flags & 2 == 2,
        keywords: flags & 4 == 4,
        scores: flags & 8 == 8,
    };
    let Ok(summary) = summarize(&text, &options) else { return };
    let characters: Vec<char> = text.chars().collect();
    for sentence in &summary.sentences {
        let (start, length) = (sentence.score.offset, sentence.score.length);
        assert!(characters[start..start + length].iter().copied().eq(sentence.text.chars()));
    }
    let output = summary.output;
    match budget {
        Budget::Sentences(most) => assert!(output.sentences <= most as usize),
        Budget::Words(most) => assert!(output.words <= most as usize),
        Budget::Characters(most) => assert!(output.characters <= most as usize),
        Budget::Ratio(share) => assert!(output.characters as f64 <= share * summary.input.characters as f64),
    }
    assert_eq!(summary.text.chars().count(), output.characters);
});

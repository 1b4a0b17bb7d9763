//! The golden rules of sentence splitting. `data/README.md` names their authors.

use std::fmt::Write;

use serde::Deserialize;

use super::sentences;

#[derive(Deserialize)]
struct Rule {
    lang: String,
    text: String,
    gold: Vec<String>,
}

/// The number of rules that the engine follows, and a text with the other rules.
fn kept(rules: &[Rule]) -> (usize, String) {
    let mut broken = String::new();
    for rule in rules {
        let found = sentences(&rule.text, &rule.lang);
        if found != rule.gold.iter().map(|piece| piece.trim()).collect::<Vec<_>>() {
            write!(
                broken,
                "{} {:?}\n  should be {:?}\n  and is    {found:?}\n",
                rule.lang, rule.text, rule.gold
            )
            .unwrap();
        }
    }
    (rules.len() - broken.matches("  should be ").count(), broken)
}

/// When the engine follows more rules, raise the numbers. Never lower them.
#[test]
fn the_engine_follows_the_golden_rules() {
    let rules: Vec<Rule> = serde_json::from_str(include_str!("data/golden_rules.json")).unwrap();
    let (english, others): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|rule| rule.lang == "en");
    assert_eq!((english.len(), others.len()), (48, 116));
    for (rules, at_least) in [(english, 47), (others, 109)] {
        let (kept, broken) = kept(&rules);
        assert_eq!(kept, at_least, "{broken}");
    }
}

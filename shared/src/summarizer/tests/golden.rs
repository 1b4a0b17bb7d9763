//! The golden rules of sentence splitting; `data/README.md` says whose they are.

use serde::Deserialize;

use super::sentences;

#[derive(Deserialize)]
struct Rule {
    lang: String,
    text: String,
    gold: Vec<String>,
}

fn kept(rules: &[Rule]) -> usize {
    rules
        .iter()
        .filter(|rule| {
            let found = sentences(&rule.text, &rule.lang);
            let kept = found == rule.gold.iter().map(|piece| piece.trim()).collect::<Vec<_>>();
            if !kept {
                println!("{}: {:?}\n  should be {:?}\n  and is    {found:?}", rule.lang, rule.text, rule.gold);
            }
            kept
        })
        .count()
}

/// A ratchet: raise the numbers when more rules are kept, never lower them.
#[test]
fn golden_rules_are_kept() {
    let rules: Vec<Rule> = serde_json::from_str(include_str!("data/golden_rules.json")).unwrap();
    let (english, others): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|rule| rule.lang == "en");
    assert_eq!((english.len(), others.len()), (48, 116));
    assert_eq!((kept(&english), kept(&others)), (47, 109));
}

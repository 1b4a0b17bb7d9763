use proptest::prelude::*;

use super::*;

const ARTICLE: &str = include_str!("../../../infra/local/demo/article.txt");

fn options(budget: Budget) -> Options<'static> {
    Options {
        budget,
        ..Options::default()
    }
}

fn holds(text: &str, options: &Options<'_>) -> Result<(), TestCaseError> {
    let Ok(summary) = summarize(text, options) else {
        prop_assert!(!text.contains(char::is_alphanumeric) || options.markdown);
        return Ok(());
    };
    let characters: Vec<char> = text.chars().collect();
    for Sentence { text, score } in &summary.sentences {
        let source: String = characters[score.offset..score.offset + score.length].iter().collect();
        prop_assert_eq!(text, &source);
    }
    prop_assert!(summary.sentences.windows(2).all(|pair| pair[0].score.offset < pair[1].score.offset));
    let output = summary.output;
    prop_assert_eq!(output.characters, summary.text.chars().count());
    match options.budget {
        Budget::Sentences(n) => prop_assert!(output.sentences <= n as usize),
        Budget::Words(n) => prop_assert!(output.words <= n as usize),
        Budget::Characters(n) => prop_assert!(output.characters <= n as usize),
        Budget::Ratio(r) => prop_assert!(words::real(output.characters) <= r * words::real(summary.input.characters)),
    }
    prop_assert_eq!(summarize(text, options), Ok(summary));
    Ok(())
}

fn budgets() -> impl Strategy<Value = Budget> {
    prop_oneof![
        (1u32..10).prop_map(Budget::Sentences),
        (1u32..60).prop_map(Budget::Words),
        (1u32..400).prop_map(Budget::Characters),
        (0.01f64..=1.0).prop_map(Budget::Ratio),
    ]
}

proptest! {
    #[test]
    fn any_unicode_is_summarised_within_its_budget(text in "\\PC*", budget in budgets(), markdown: bool) {
        holds(&text, &Options { budget, markdown, ..Options::default() })?;
    }

    #[test]
    fn prose_is_summarised_within_its_budget(
        text in proptest::collection::vec("([A-Z][a-z]{2,8}( [a-z]{1,9}){2,14}[.!?]|# [A-Z][a-z]+|- [a-z]+ [a-z]+)(\n\n|\r\n| |\n)", 1..40),
        budget in budgets(),
    ) {
        holds(&text.concat(), &options(budget))?;
    }
}

#[test]
fn the_demo_article_in_three_sentences() {
    let summary = summarize(
        ARTICLE,
        &Options {
            keywords: true,
            ..Options::default()
        },
    )
    .unwrap();
    insta::assert_json_snapshot!(summary);
}

#[test]
fn a_budget_past_the_text_returns_it_whole() {
    let text = "The river rose again overnight. Two villages were moved to higher ground by noon.";
    let summary = summarize(text, &options(Budget::Sentences(9))).unwrap();
    assert_eq!(summary.text, text);
    assert_eq!(summary.truncation, Truncation::None);
}

#[test]
fn a_budget_below_every_sentence_cuts_at_a_word_and_says_so() {
    let text = "The river rose again overnight and two villages were moved.";
    let summary = summarize(text, &options(Budget::Words(4))).unwrap();
    assert_eq!(
        (summary.text.as_str(), summary.truncation),
        ("The river rose again", Truncation::Word)
    );
    let summary = summarize("Donaudampfschifffahrt begins today.", &options(Budget::Characters(5))).unwrap();
    assert_eq!((summary.text.as_str(), summary.truncation), ("Donau", Truncation::Character));
}

#[test]
fn headings_and_code_are_not_chosen() {
    let text = "# Release notes\n\n```\nlet x = 1; // The old engine was replaced.\n```\n\nThe old engine was replaced by a faster one this spring.";
    let summary = summarize(
        text,
        &Options {
            markdown: true,
            ..Options::default()
        },
    )
    .unwrap();
    assert_eq!(summary.text, "The old engine was replaced by a faster one this spring.");
}

#[test]
fn the_same_sentence_is_chosen_once() {
    let text = "The bridge over the river was closed on Monday for repairs. ".repeat(50);
    let summary = summarize(&text, &options(Budget::Sentences(5))).unwrap();
    assert_eq!(summary.output.sentences, 1);
}

#[test]
fn every_sentence_is_scored_on_request() {
    let summary = summarize(
        ARTICLE,
        &Options {
            scores: true,
            ..Options::default()
        },
    )
    .unwrap();
    let scores = summary.scores.unwrap();
    assert_eq!(scores.len(), summary.input.sentences);
    let mut ranks: Vec<_> = scores.iter().map(|score| score.rank).collect();
    ranks.sort_unstable();
    assert!(ranks.into_iter().eq(1..=scores.len()));
}

#[test]
fn nothing_to_summarise_is_an_error() {
    for text in ["", " \n\t", "?!...", "---\n***"] {
        assert_eq!(summarize(text, &Options::default()), Err(NoSentence), "{text:?}");
    }
}

#[test]
fn a_long_line_without_a_space_ends() {
    let text = "a".repeat(1_000_000);
    let summary = summarize(&text, &options(Budget::Characters(10))).unwrap();
    assert_eq!(summary.output.characters, 10);
}

//! Cases from real text that are difficult for summarisers.

use super::{super::*, options, sentences};

/// The text of a summary with at most `most` sentences.
fn summary(text: &str, most: u32) -> String {
    summarize(text, &options(Budget::Sentences(most))).unwrap().text
}

fn markdown(text: &str, most: u32) -> String {
    let options = Options {
        markdown: true,
        ..options(Budget::Sentences(most))
    };
    summarize(text, &options).unwrap().text
}

const BRIDGE: &str = "The city council voted on Monday to replace the old iron bridge over the river Lune. \
    The bridge was built in 1887 and carries nine thousand cars a day. \
    However, he said that the bridge would stay open to walkers while the new bridge is built. \
    But the bridge needs new paint every second year, and the paint contains lead. \
    They also asked the engineers to keep the arches of the old bridge. \
    Engineers found cracks in two of its four piers last winter, and heavy lorries have been banned since. \
    The new bridge will cost eighteen million pounds, which the council wants to borrow over thirty years. \
    Work on the bridge will begin in March and take two years.";

#[test]
fn a_dependent_sentence_comes_with_the_sentence_before_it() {
    let all = sentences(BRIDGE, "en");
    for most in 1..=7 {
        let chosen: Vec<String> = summarize(BRIDGE, &options(Budget::Sentences(most)))
            .unwrap()
            .sentences
            .into_iter()
            .map(|sentence| sentence.text)
            .collect();
        assert!(!chosen.is_empty());
        for sentence in &chosen {
            if ["However", "But", "They also"].iter().any(|opener| sentence.starts_with(opener)) {
                let before = &all[all.iter().position(|other| other == sentence).unwrap() - 1];
                assert!(
                    chosen.contains(before),
                    "{sentence} is in {chosen:?} without the sentence before it"
                );
            }
        }
    }
}

#[test]
fn a_dependent_sentence_is_chosen_if_both_sentences_fit() {
    let text = "The museum bought the painting. However, the painting turned out to be a copy of the painting in Vienna, so the museum sued the dealer of the painting for the price of the painting.";
    assert_eq!(summary(text, 2), text);
}

#[test]
fn a_summary_never_opens_with_a_connective() {
    for most in 1..=5 {
        let text = summary(BRIDGE, most);
        assert!(!text.starts_with("But") && !text.starts_with("They"), "{text}");
    }
}

#[test]
fn quoted_speech_is_not_cut() {
    let found = sentences("\"Really?\" she asked. \"I had no idea that it was so late.\" He nodded.", "en");
    assert_eq!(
        found,
        ["\"Really?\" she asked.", "\"I had no idea that it was so late.\"", "He nodded."]
    );
    let text = "The mayor spoke for an hour about the harbour. \"We will build the harbour. We will pay for the harbour,\" the mayor told the crowd at the harbour. \
        The harbour has been closed since the storm. Ships go to the next port. The crowd cheered the plan for a new harbour.";
    for most in 1..=5 {
        assert_eq!(summary(text, most).matches('"').count() % 2, 0, "{}", summary(text, most));
    }
}

#[test]
fn a_part_of_a_quotation_is_not_chosen() {
    let text = "The board of the railway met on Friday. \u{201c}The railway must run on time, said the head of the railway board. \
        The railway carried four million people last year. The railway will buy ten new trains.";
    for most in 1..=3 {
        assert!(!summary(text, most).contains('\u{201c}'), "{}", summary(text, most));
    }
}

#[test]
fn abbreviations_do_not_end_sentences() {
    let text = "Dr. Smith met J. F. Kennedy Jr. in the U.S. on Jan. 5 at 5 p.m.";
    assert_eq!(
        sentences(&format!("{text} They spoke of the weather."), "en"),
        [text, "They spoke of the weather."]
    );
}

#[test]
fn numbers_names_and_addresses_do_not_split() {
    for text in [
        "Prices rose by 3.5% in the year to June.",
        "Version v1.2.3 was released for all users.",
        "The site example.com was down for an hour.",
        "Write to a@b.co if you need help with this.",
        "The change is in file.rs and nowhere else.",
    ] {
        assert_eq!(sentences(text, "en"), [text]);
    }
    assert_eq!(
        sentences("Sales doubled last year.Next year will be harder for all of us.", "en"),
        ["Sales doubled last year.", "Next year will be harder for all of us."]
    );
}

#[test]
fn page_furniture_is_never_chosen() {
    let furniture = [
        "By Jane Miller",
        "PUBLISHED: 14:11 EST, 3 May 2014",
        "UPDATED: 09:02 EST, 4 May 2014",
        "Scroll down for video",
        "Read more: The storm in pictures",
        "© 2014 The Evening Paper. All rights reserved.",
        "Share this article",
        "Click here to subscribe to our newsletter.",
    ];
    let story = [
        "A storm tore the roof off the town hall in the night to Saturday.",
        "Nobody was in the town hall when the storm hit, the fire service said.",
        "Repairs to the roof of the town hall will take until the autumn.",
    ];
    let text = format!(
        "{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}",
        furniture[0],
        furniture[1],
        furniture[2],
        story[0],
        furniture[3],
        story[1],
        furniture[4],
        story[2],
        furniture[6],
        furniture[7],
        furniture[5]
    );
    assert_eq!(summary(&text, 11), story.join(" "));
}

#[test]
fn a_date_line_is_left_off_its_sentence() {
    let text = "LONDON (Reuters) - The bank raised its rate to four percent on Thursday. Economists had expected no change of the rate.";
    assert_eq!(summary(text, 1), "The bank raised its rate to four percent on Thursday.");
    let text = "(CNN) -- The bank raised its rate to four percent on Thursday. Economists had expected no change of the rate.";
    assert_eq!(summary(text, 1), "The bank raised its rate to four percent on Thursday.");
}

#[test]
fn titles_raise_sentences_and_are_not_chosen() {
    let body = "Rain fell on the valley for three days.\n\nThe glacier lost a fifth of its ice in ten years.\n\nSheep graze on the slopes all summer long.";
    for text in [
        format!("The glacier and its ice\n\n{body}"),
        format!("# The glacier and its ice\n\n{body}"),
        format!("The glacier and its ice\n=======================\n\n{body}"),
    ] {
        assert_eq!(summary(&text, 1), "The glacier lost a fifth of its ice in ten years.", "{text}");
    }
    assert_eq!(
        markdown(&format!("# The glacier and its ice\n\n{body}"), 9),
        body.replace("\n\n", " ")
    );
}

#[test]
fn a_list_item_comes_with_the_sentence_that_introduces_the_list() {
    let text = "The new plan of the library changes three things for readers of the library:\n\
        1. Readers may keep each book of the library for six weeks.\n\
        2. The library opens on Sundays.\n\
        3. Fines of the library end.\n\n\
        Old cards stay valid until spring.";
    let found = sentences(text, "en");
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found[1], "1. Readers may keep each book of the library for six weeks.");
    for most in 1..=4 {
        let chosen = summary(text, most);
        assert!(!chosen.ends_with("1.") && !chosen.contains("1. 2."), "{chosen}");
        if chosen.contains("1. Readers") || chosen.contains("2. The") || chosen.contains("3. Fines") {
            assert!(chosen.contains("changes three things"), "{chosen}");
        }
    }
    let text = "- Oil the wheels of the cart once a month.\n- Check both brakes of the cart before each ride.";
    assert_eq!(summary(text, 1).matches("cart").count(), 1);
}

#[test]
fn tables_code_data_and_logs_are_not_chosen() {
    let prose = "The parser of the new release reads a gigabyte in a second.";
    for other in [
        "| Release | Seconds |\n|---|---|\n| 1.0 parser | 9 |\n| 2.0 parser | 1 |",
        "```\nlet parser = Parser::new(release); // The parser of the release.\n```",
        "{\n  \"parser\": \"release\",\n  \"seconds\": 1\n}",
        "2024-05-01T12:00:00Z INFO parser started for the release\n2024-05-01T12:00:01Z WARN parser of the release is slow",
        "fn main() {\n    parser.release();\n}",
        "Release\tSeconds\tParser\n1.0\t9\told\n2.0\t1\tnew",
    ] {
        let text = format!("{other}\n\n{prose}\n\n{other}");
        assert_eq!(summary(&text, 9), prose, "{other}");
        assert_eq!(summarize(other, &Options::default()), Err(NoSummary::OnlyCode), "{other}");
    }
    assert_eq!(
        markdown(&format!("    let indented = parser;\n\n{prose}\n\n```rust\nfn a() {{}}\n```"), 9),
        prose
    );
}

#[test]
fn markup_is_not_shown() {
    let text = "The [river Lune](https://example.com/lune) rose by **two metres** in `one` night &amp; flooded <b>nine</b> streets.";
    let shown = "The river Lune rose by two metres in one night & flooded nine streets.";
    assert_eq!(markdown(text, 1), shown);
    assert_eq!(summary(text, 1), shown);
    let whole = summarize(text, &options(Budget::Sentences(1))).unwrap();
    assert_eq!(whole.sentences[0].text, text, "the sentence should be as it is in the text");
    assert_eq!(
        summary("<p>Rain fell all day.</p>\n<p>The match was called off.</p>", 2),
        "Rain fell all day. The match was called off."
    );
    assert_eq!(
        summary("Compare a < b and c > d before you go on with it.", 1),
        "Compare a < b and c > d before you go on with it."
    );
}

#[test]
fn a_text_without_a_sentence_is_an_error() {
    for text in [
        "", " \n\t", "?!...", "---\n***", "\u{feff}\u{200b}", "&amp;。", "[!](https://example.com)",
    ] {
        assert_eq!(summarize(text, &Options::default()), Err(NoSummary::Blank), "{text:?}");
    }
}

#[test]
fn short_texts_are_returned_whole() {
    for text in ["Stay.", "It rained.", "It rained. But the match went on.", "He left. She stayed."] {
        assert_eq!(summary(text, 3), text);
    }
    assert_eq!(summary(BRIDGE, 99), BRIDGE);
    let all = summarize(BRIDGE, &options(Budget::Ratio(1.0))).unwrap();
    assert_eq!((all.text.as_str(), all.truncation), (BRIDGE, Truncation::None));
}

#[test]
fn repetitions_are_not_chosen() {
    let pasted = format!("{BRIDGE}\n\n").repeat(100);
    let chosen = summarize(&pasted, &options(Budget::Sentences(20))).unwrap();
    let mut texts: Vec<&str> = chosen.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    let before = texts.len();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), before);
    let text = "The bridge was closed on Monday for repairs.\nTHE BRIDGE WAS CLOSED ON MONDAY FOR REPAIRS.\nThe  bridge was closed on Monday   for repairs.";
    assert_eq!(summarize(text, &options(Budget::Sentences(3))).unwrap().output.sentences, 1);
}

#[test]
fn hard_wrapped_lines_are_joined() {
    let text = "> The committee met on the first Tuesday of the month and went\n\
                > through the accounts of the club, which had been audited by\n\
                > Brown and Partners of Leeds in the week before. No member\n\
                > objected to the accounts.\n";
    assert_eq!(
        summary(text, 2),
        "The committee met on the first Tuesday of the month and went through the accounts of the club, which had been audited by Brown and Partners of Leeds in the week before. No member objected to the accounts."
    );
}

#[test]
fn lines_with_one_sentence_each_are_not_joined() {
    let text = "The heron stands in shallow water\nIt waits for fish and frogs\nIts neck is long and its bill is sharp\nHerons nest high up in old trees near the water";
    assert_eq!(sentences(text, "en").len(), 4);
}

const MEETING: &str = "Anna: Okay, so the budget of the remote control is what we need to settle today.\n\
    Ben: Yeah.\n\
    Carla: Mm-hmm.\n\
    Ben: The remote control cannot cost more than twelve euros to make, so the screen has to go.\n\
    Anna: Right. We decided to drop the screen and keep the two big buttons on the remote control.\n\
    Carla: Yeah, yeah.\n\
    Ben: I will ask the supplier for the price of the rubber case by Friday.";

#[test]
fn transcripts_keep_speakers_and_skip_chatter() {
    for most in 1..=3 {
        let chosen = summarize(MEETING, &options(Budget::Sentences(most))).unwrap();
        assert!(!chosen.text.contains("Yeah.") && !chosen.text.contains("Mm-hmm"), "{}", chosen.text);
        assert!(
            chosen
                .sentences
                .iter()
                .any(|sentence| ["Anna: ", "Ben: ", "Carla: "].iter().any(|name| sentence.text.starts_with(name)))
        );
    }
}

#[test]
fn a_length_below_the_shortest_sentence_cuts_it_and_says_so() {
    let text = "The river rose again overnight and two villages were moved.";
    let cut = summarize(text, &options(Budget::Words(4))).unwrap();
    assert_eq!((cut.text.as_str(), cut.truncation), ("The river rose again", Truncation::Word));
    let cut = summarize("Donaudampfschifffahrt begins today.", &options(Budget::Characters(5))).unwrap();
    assert_eq!((cut.text.as_str(), cut.truncation), ("Donau", Truncation::Character));
    let cut = summarize(
        "When the river rose overnight, the council moved two villages.",
        &options(Budget::Words(6)),
    )
    .unwrap();
    assert_eq!(
        (cut.text.as_str(), cut.truncation),
        ("When the river rose overnight", Truncation::Word)
    );
}

#[test]
fn texts_in_other_scripts_are_split_and_summarised() {
    for (language, text, count) in [
        (
            "zh",
            "今天下午河水上涨了两米。两个村庄的居民被转移到高处。市长说桥梁将关闭一周。",
            3,
        ),
        (
            "ja",
            "川の水位は一晩で二メートル上がった。二つの村の住民が避難した。橋は一週間閉鎖される。",
            3,
        ),
        (
            "ar",
            "هل ارتفع النهر؟ نعم، ارتفع النهر مترين خلال الليل. نقلت السلطات سكان قريتين.",
            3,
        ),
        (
            "ur",
            "دریا رات بھر میں دو میٹر بلند ہوا۔ دو گاؤں کے لوگ منتقل کیے گئے۔ پل ایک ہفتے بند رہے گا۔",
            3,
        ),
        ("hi", "नदी रात भर में दो मीटर बढ़ गई। दो गाँवों के लोग हटाए गए। पुल एक सप्ताह बंद रहेगा।", 3),
        ("th", "แม่น้ำสูงขึ้นสองเมตรในคืนเดียว ชาวบ้านสองหมู่บ้านถูกย้าย", 1),
    ] {
        assert_eq!(sentences(text, language).len(), count, "{text}");
        let chosen = summarize(text, &options(Budget::Sentences(1))).unwrap();
        assert_eq!(chosen.language, language);
        assert!(text.contains(&chosen.sentences[0].text));
        let cut = summarize(text, &options(Budget::Characters(7))).unwrap();
        assert!(cut.output.characters <= 7 && !cut.text.is_empty());
    }
}

#[test]
fn chinese_is_ranked_by_its_characters() {
    let text = "春天公园里的花开了。市政府决定在河上修建一座新桥。新桥将花费三亿元。孩子们在踢足球。新桥的建设将于三月开始。";
    assert!(summary(text, 1).contains("新桥"));
}

#[test]
fn unknown_and_mixed_languages_work() {
    let text = "Kwa mara ya kwanza mto ulipanda mita mbili usiku. Vijiji viwili vilihamishwa asubuhi. Daraja la mto litafungwa wiki moja.";
    let chosen = summarize(
        text,
        &Options {
            language: Some("sw"),
            ..options(Budget::Sentences(1))
        },
    )
    .unwrap();
    assert_eq!((chosen.language.as_str(), chosen.output.sentences), ("und", 1));
    let mixed = "The river rose by two metres. Der Fluss stieg um zwei Meter. Le fleuve est monté de deux mètres.";
    assert_eq!(summarize(mixed, &options(Budget::Sentences(2))).unwrap().output.sentences, 2);
}

#[test]
fn unusual_characters_do_not_change_offsets() {
    for text in [
        "THE RIVER ROSE BY TWO METRES. THE VILLAGE WAS MOVED TO HIGHER GROUND.",
        "the river rose by two metres. the village was moved to higher ground.",
        "\u{feff}The river rose.\u{200b} The village\u{200b} was moved to higher ground.",
        "The river\0 rose by two metres.\r\nThe village was moved to higher ground.\r\n",
        "The river 🌊🌊 rose by two metres. The 👩‍👩‍👧 family was moved to higher ground 👍🏽.",
        "The cafe\u{301} by the river was flooded. Its owner Zoe\u{308} moved to higher ground.",
    ] {
        let characters: Vec<char> = text.chars().collect();
        for most in 1..=2 {
            let chosen = summarize(text, &options(Budget::Sentences(most))).unwrap();
            assert!(!chosen.sentences.is_empty());
            assert!(
                !chosen.text.contains(['\u{feff}', '\0', '\r', '\n', '\u{200b}']),
                "{:?}",
                chosen.text
            );
            for sentence in chosen.sentences {
                let Score { offset, length, .. } = sentence.score;
                assert_eq!(sentence.text, characters[offset..offset + length].iter().collect::<String>());
            }
        }
    }
}

#[test]
fn citations_and_figures_do_not_split() {
    for text in [
        "The effect is well known [12] and has been measured twice.",
        "The effect (Smith, 1999) has been measured twice since.",
        "Smith et al. measured the effect twice in one year.",
        "As Fig. 3 shows, the effect grows with the temperature.",
        "The effect is shown in Fig. 3. It grows with the temperature.",
    ] {
        let found = sentences(text, "en");
        assert_eq!(found.len(), 1 + usize::from(text.contains(" It ")), "{found:?}");
    }
}

#[test]
fn every_thread_gives_the_same_summary() {
    let expected = summarize(BRIDGE, &options(Budget::Words(40)));
    let threads: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(|| summarize(BRIDGE, &options(Budget::Words(40)))))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), expected);
    }
}

#[test]
fn a_long_paragraph_is_split_without_cut_sentences() {
    let sentence = "It was the year in which the river froze.";
    let text = format!("{sentence} ").repeat(1_000);
    let whole = Options {
        scores: true,
        ..options(Budget::Sentences(3))
    };
    let scores = summarize(&text, &whole).unwrap().scores.unwrap();
    assert_eq!(scores.len(), 1_000);
    assert!(
        scores.iter().all(|score| score.length == sentence.len()),
        "every sentence should be whole"
    );
}

#[test]
fn a_long_line_without_a_space_is_summarised() {
    let text = "a".repeat(1_000_000);
    let summary = summarize(&text, &options(Budget::Characters(10))).unwrap();
    assert_eq!(summary.output.characters, 10);
}

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn refused(body: &serde_json::Value) -> Vec<InvalidField> {
    match Submission::parse(body.to_string().as_bytes()) {
        Err(SubmissionError::Invalid(fields)) => fields,
        other => panic!("{body} gave {other:?}"),
    }
}

#[test]
fn defaults_are_the_documented_ones() {
    let (text, options) = Submission::parse(br#"{"text":"One. Two."}"#).unwrap();
    assert_eq!(text, "One. Two.");
    insta::assert_json_snapshot!(options, @r#"
    {
      "format": "text",
      "length": {
        "sentences": 3
      },
      "method": "extractive",
      "sort": "position",
      "include": [],
      "priority": "standard",
      "language": "auto",
      "metadata": {}
    }
    "#);
}

#[test]
fn a_bad_time_is_named_with_its_limit() {
    for (field, value, says) in [
        ("expires_in", json!(60), "0, or from 3600 to 2592000"),
        ("expires_in", json!(2_592_001), "0, or from 3600 to 2592000"),
        ("expires_in", json!(-1), "must be a whole number"),
        ("deadline", json!("tomorrow"), "2027-01-31T12:00:00Z"),
    ] {
        let fields = refused(&json!({"text": "Fine.", field: value}));
        assert_eq!(fields[0].pointer, format!("#/{field}"));
        assert!(fields[0].detail.contains(says), "{fields:?}");
    }
}

#[test]
fn each_bad_field_is_named_with_its_limit() {
    let text = "Fine.";
    for (body, pointer, says) in [
        (json!({}), "#", "missing field `text`"),
        (json!({"text": 5}), "#/text", "It must be a string"),
        (json!({"text": null}), "#/text", "The value is null. It must be a string."),
        (json!({"text": ""}), "#/text", "no letter or digit"),
        (json!({"text": " \n.!?"}), "#/text", "no letter or digit"),
        (json!({"text": "a\u{0}b"}), "#/text", "U+0000 at character 1"),
        (json!({"text": "a".repeat(Limits::TEXT_BYTES + 1)}), "#/text", "at most 4194304"),
        (json!({"text": text, "lenght": 3}), "#/lenght", "unknown field `lenght`"),
        (
            json!({"text": text, "length": {"sentences": 0}}),
            "#/length/sentences",
            "from 1 to 100",
        ),
        (
            json!({"text": text, "length": {"sentences": 101}}),
            "#/length/sentences",
            "from 1 to 100",
        ),
        (
            json!({"text": text, "length": {"sentences": -1}}),
            "#/length/sentences",
            "The value is a whole number outside the allowed range. It must be a whole number.",
        ),
        (json!({"text": text, "length": {"words": 5001}}), "#/length/words", "from 1 to 5000"),
        (
            json!({"text": text, "length": {"characters": 0}}),
            "#/length/characters",
            "from 1 to 50000",
        ),
        (
            json!({"text": text, "length": {"ratio": 1.5}}),
            "#/length/ratio",
            "above 0 and at most 1",
        ),
        (
            json!({"text": text, "length": {"pages": 1}}),
            "#/length",
            "unknown field `pages` (expected one of `sentences`",
        ),
        (
            json!({"text": text, "length": {"words": 5, "sentences": 1}}),
            "#/length",
            "exactly one",
        ),
        (json!({"text": text, "length": {}}), "#/length", "exactly one"),
        (
            json!({"text": text, "length": 3}),
            "#/length",
            "an object such as {\"sentences\": 3}",
        ),
        (
            json!({"text": text, "length": [3]}),
            "#/length",
            "The value is a list. It must be an object",
        ),
        (
            json!({"text": text, "length": {"sentences": "3"}}),
            "#/length/sentences",
            "The value is a string. It must be a whole number.",
        ),
        (json!({"text": text, "method": "magic"}), "#/method", "`extractive` or `auto`"),
        (
            json!({"text": text, "include": ["scores", "secrets"]}),
            "#/include/1",
            "`keywords` or `scores`",
        ),
        (json!({"text": text, "language": "english please"}), "#/language", "BCP 47"),
        (json!({"text": text, "focus": ""}), "#/focus", "a letter or digit"),
        (json!({"text": text, "focus": "?!"}), "#/focus", "a letter or digit"),
        (json!({"text": text, "focus": "é".repeat(501)}), "#/focus", "1 to 500 characters"),
        (json!({"text": text, "focus": "a\u{0}"}), "#/focus", "none U+0000"),
        (
            json!({"text": text, "focus": ["a"]}),
            "#/focus",
            "The value is a list. It must be a string.",
        ),
        (
            json!({"text": text, "metadata": {"a/b": "x".repeat(513)}}),
            "#/metadata/a~1b",
            "at most 512",
        ),
        (json!({"text": text, "metadata": {"n": 1}}), "#/metadata/n", "It must be a string"),
    ] {
        let fields = refused(&body);
        assert_eq!(fields.len(), 1, "{fields:?}");
        assert!(fields[0].pointer.starts_with(pointer), "{fields:?} should be at {pointer}");
        assert!(fields[0].detail.contains(says), "{fields:?} should say {says}");
    }
}

#[test]
fn options_without_a_focus_can_be_read() {
    let (_, options) = Submission::parse(r#"{"text":"One.","focus":"the bridge"}"#.as_bytes()).unwrap();
    assert_eq!(options.focus.as_ref().map(Focus::as_str), Some("the bridge"));
    let mut old = serde_json::to_value(&options).unwrap();
    old.as_object_mut().unwrap().remove("focus");
    assert_eq!(serde_json::from_value::<RequestOptions>(old).unwrap().focus, None);
}

#[test]
fn all_invalid_values_are_reported_together() {
    let fields = refused(&json!({"text": "", "length": {"words": 0}, "language": ""}));
    let pointers: Vec<_> = fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(pointers, ["#/text", "#/length/words", "#/language"]);
}

#[test]
fn bodies_that_are_not_json_say_where() {
    for (body, says) in [
        (&b""[..], "The body is empty."),
        (b" \n", "The body is empty."),
        (b"[\"One.\"]", "not a JSON object"),
        (b"\"One.\"", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{\"text\":", "line 1 column 8"),
        (b"{\"text\":\"a\"} trailing", "trailing characters"),
        (b"\xff\xfe", "byte 0"),
        (b"{\"text\":\"\xc3\x28\"}", "byte 9"),
        (b"{\"text\":\"\\ud800\"}", "line 1"),
    ] {
        match Submission::parse(body) {
            Err(SubmissionError::Malformed(detail)) => assert!(detail.contains(says), "{detail}"),
            other => panic!("{body:?} gave {other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn no_body_panics(body: Vec<u8>) {
        let _ = Submission::parse(&body);
    }

    #[test]
    fn errors_never_quote_a_value(secret in "[a-z]{12}") {
        for body in [
            json!({"text": "A.", "length": secret}),
            json!({"text": "A.", "length": {"sentences": secret}}),
            json!({"text": "A.", "method": secret}),
            json!({"text": "A.", "include": [secret]}),
            json!({"text": "A.", "metadata": secret}),
            json!({"text": "A.", "language": format!("{secret} {secret}")}),
        ] {
            prop_assert!(!format!("{:?}", refused(&body)).contains(&secret), "{body}");
        }
        let error = format!("{:?}", Submission::parse(json!(secret).to_string().as_bytes()));
        prop_assert!(!error.contains(&secret), "{}", error);
    }
}

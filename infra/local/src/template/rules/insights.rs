//! Queries of CloudWatch Metrics Insights, as alarms use them.
//!
//! docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html

/// What a query reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) namespace: String,
    pub(super) metric: String,
    /// The dimensions of the metrics that are read. `None` means any.
    pub(super) schema: Option<Vec<String>>,
    /// The dimensions by which metrics are chosen and grouped.
    pub(super) used: Vec<String>,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name or a keyword.
    Word(String),
    /// A name in double quotation marks, which is never a keyword.
    Name(String),
    /// A value in single quotation marks.
    Value,
    Sign(char),
}

/// Whether an expression is a query. Any other expression calculates with the metrics beside it.
pub(super) fn is_query(expression: &str) -> bool {
    matches!(tokens(expression).first(), Some(first) if is_keyword(first, "SELECT"))
}

/// Reads `SELECT FUNCTION(metric) FROM namespace`, with a `SCHEMA`, `WHERE` and `GROUP BY` or
/// without. `None` if the query is none.
pub(super) fn parse(query: &str) -> Option<Query> {
    let tokens = tokens(query);
    let (select, rest) = tokens.split_at_checked(6)?;
    let [first, Token::Word(_), Token::Sign('('), metric, Token::Sign(')'), from] = select else {
        return None;
    };
    if !is_keyword(first, "SELECT") || !is_keyword(from, "FROM") {
        return None;
    }
    let (namespace, schema, rest) = match rest {
        [schema, Token::Sign('('), namespace, rest @ ..] if is_keyword(schema, "SCHEMA") => {
            let end = rest.iter().position(|token| *token == Token::Sign(')'))?;
            let dimensions = rest[..end].iter().filter_map(name).collect();
            (namespace, Some(dimensions), &rest[end + 1..])
        }
        [namespace, rest @ ..] => (namespace, None, rest),
        [] => return None,
    };
    let end = rest
        .iter()
        .position(|token| is_keyword(token, "ORDER") || is_keyword(token, "LIMIT"));
    let keywords = ["WHERE", "AND", "GROUP", "BY"];
    let used = rest[..end.unwrap_or(rest.len())]
        .iter()
        .filter(|token| !keywords.iter().any(|keyword| is_keyword(token, keyword)));
    Some(Query {
        namespace: name(namespace)?,
        metric: name(metric)?,
        schema,
        used: used.filter_map(name).collect(),
    })
}

fn name(token: &Token) -> Option<String> {
    match token {
        Token::Word(name) | Token::Name(name) => Some(name.clone()),
        Token::Value | Token::Sign(_) => None,
    }
}

fn is_keyword(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
}

fn tokens(query: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), query.trim_start());
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let quoted = |mark: char| after.split_once(mark).unwrap_or((after, ""));
        let (token, left) = match first {
            '"' => (Token::Name(quoted('"').0.to_owned()), quoted('"').1),
            '\'' => (Token::Value, quoted('\'').1),
            _ => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
                match rest.split_at(end.unwrap_or(rest.len())) {
                    ("", _) => (Token::Sign(first), after),
                    (word, left) => (Token::Word(word.to_owned()), left),
                }
            }
        };
        tokens.push(token);
        rest = left.trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_it_reads() {
        let read = |query: &str| {
            let query = parse(query).unwrap_or_else(|| panic!("{query}"));
            let schema = query.schema.map(|schema| schema.join(" "));
            (query.namespace, query.metric, schema, query.used.join(" "))
        };
        for (query, namespace, metric, schema, used) in [
            (r#"SELECT SUM(Failed) FROM "AWS/Backup""#, "AWS/Backup", "Failed", None, ""),
            (
                r#"SELECT MAX(Busy) FROM SCHEMA("AWS/ElastiCache", Cluster, Node)"#,
                "AWS/ElastiCache",
                "Busy",
                Some("Cluster Node"),
                "",
            ),
            (
                r#"select max("Busy") from schema("AWS/ElastiCache",Cluster) where Cluster = 'a (b' and "Group" != 'c' group by Zone order by max() limit 5"#,
                "AWS/ElastiCache",
                "Busy",
                Some("Cluster"),
                "Cluster Group Zone",
            ),
        ] {
            let wanted = (namespace.to_owned(), metric.to_owned(), schema.map(str::to_owned), used.to_owned());
            assert_eq!(read(query), wanted, "{query}");
        }
        for none in ["", "SELECT", "SELECT MAX(Busy)", "SELECT MAX(Busy) FROM", "errors / calls"] {
            assert_eq!(parse(none), None, "{none}");
        }
        assert!(is_query("select nonsense") && !is_query("errors / calls"));
    }
}

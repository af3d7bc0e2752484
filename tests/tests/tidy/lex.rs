//! Just enough of Rust's lexical rules to see code without comments, literals and tests.

/// The code of a file: comments, the insides of literals, and items under `#[cfg(test)]` are blank.
/// Lines keep their numbers.
pub fn shipped(text: &str) -> String {
    without_tests(&code_only(text))
}

/// Blanks comments and the insides of string and character literals.
pub fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest, &out) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && is_char_literal(rest) {
            quoted(rest, '\'')
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (skipped, later) = rest.split_at(length);
        out.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = later;
    }
    out
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#` and their byte forms, if one starts here.
fn raw_string(text: &str, before: &str) -> Option<usize> {
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    let inside = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - inside.len();
    Some(
        inside
            .find(&end)
            .map_or(text.len(), |at| start + at + end.len()),
    )
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(end)) => end == '\'',
        _ => false,
    }
}

/// Blanks the item after each `#[cfg(test)]`, up to its `;` or its closing brace.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        out.push_str(before);
        let (test, later) = item.split_at(item_length(item));
        out.extend(test.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = later;
    }
    out.push_str(rest);
    out
}

fn item_length(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    item.len()
}

#[test]
fn only_code_is_left() {
    let text = "a(\"x.unwrap()\"); // b.unwrap()\n/* c /* d */ e */ f('\\'', '\"', r#\"g \" h\"#); fn i<'j>() {}\n";
    let code = code_only(text);
    for gone in ["unwrap", "b", "c", "d", "e", "g", "h"] {
        assert!(!code.contains(gone), "{gone} in {code}");
    }
    for left in ["a(", "f(", "fn i<'j>() {}"] {
        assert!(code.contains(left), "{left} in {code}");
    }
}

#[test]
fn tests_are_not_shipped() {
    let text = "one();\n#[cfg(test)]\nmod tests {\n    fn two() { \"}\" }\n}\nthree();\n#[cfg(test)]\nmod tests;\nfour();\n";
    let code = shipped(text);
    assert!(!code.contains("two") && !code.contains("mod tests"));
    assert_eq!(
        code.lines().position(|line| line.contains("three")),
        Some(5)
    );
    assert!(code.contains("four"));
}

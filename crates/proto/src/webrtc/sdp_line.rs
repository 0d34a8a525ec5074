//! Small helpers for SDP lines.

/// The value of `a=name:value`, if `line` is such a line.
pub(super) fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_only_the_whole_name() {
        assert_eq!(attribute("a=ice-pwd:xyz\r", "ice-pwd"), Some("xyz"));
        assert_eq!(attribute("a=ice-pwd-more:xyz", "ice-pwd"), None);
    }
}

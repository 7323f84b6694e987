//! Text in HTML.

/// Text with the characters of markup replaced, for the inside of elements and of quoted
/// attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_leaves_its_place() {
        let text = super::escape("<script>alert(\"x\" & 'y')</script>");
        assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
    }
}

//! The page of a report.

use askama::Template;

use super::Report;
use crate::error::Result;
use crate::page::Shell;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    shell: Shell,
    report: &'a Report,
}

/// The page: one HTML file.
///
/// # Errors
/// [`crate::Error::Template`].
pub fn html(report: &Report) -> Result<String> {
    let about = match &report.input {
        Some(input) => format!("{} on {input}", report.model),
        None => report.model.clone(),
    };
    let title = report.title.as_deref().unwrap_or("Report");
    let page = Page {
        shell: Shell::new(title.to_owned(), about),
        report,
    };
    Ok(page.render()?)
}

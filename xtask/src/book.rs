//! The book of `docs/`: every link within it leads to a page that is there, at a place that is
//! there, and every page stands in the summary.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use crate::printer;

/// Where `scripts/book.sh` builds it.
const BUILT: &str = "target/book";

/// Checks the book that was built; `false` when a link leads nowhere or a page is in no chapter.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let built = root.join(BUILT);
    let mut pages = BTreeMap::new();
    let mut files = BTreeSet::new();
    for path in list(&built)? {
        let name = relative(&built, &path)?;
        // The page for paths that nobody has is seen from anywhere: its links are absolute.
        if name.ends_with(".html") && name != "404.html" {
            let html = std::fs::read_to_string(&path).with_context(|| name.clone())?;
            pages.insert(name.clone(), html);
        }
        files.insert(name);
    }
    let docs = root.join("docs");
    let mut sources = BTreeSet::new();
    for path in list(&docs)? {
        sources.insert(relative(&docs, &path)?);
    }
    let mut findings = broken_links(&pages, &files);
    findings.extend(left_out(&sources, &files));
    for finding in &findings {
        printer::line(finding);
    }
    printer::line(&format!(
        "book: {} pages, {} findings",
        pages.len(),
        findings.len()
    ));
    Ok(findings.is_empty())
}

/// What the links of `pages` want and `files` or the pages do not have.
fn broken_links(pages: &BTreeMap<String, String>, files: &BTreeSet<String>) -> Vec<String> {
    let places: BTreeMap<&str, BTreeSet<&str>> = pages
        .iter()
        .map(|(name, html)| (&**name, attributes(html, "id").collect()))
        .collect();
    let mut findings = BTreeSet::new();
    for (page, html) in pages {
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in attributes(html, "href").chain(attributes(html, "src")) {
            if link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
                continue;
            }
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => Some(page.clone()),
                path => resolve(folder, path),
            };
            let Some(target) = target.filter(|target| files.contains(target)) else {
                findings.insert(format!("{page}: the link {link} leads nowhere"));
                continue;
            };
            let has_place = |places: &BTreeSet<&str>| place.is_empty() || places.contains(place);
            if !places.get(&*target).is_none_or(has_place) {
                findings.insert(format!("{page}: {target} has no place #{place}"));
            }
        }
    }
    findings.into_iter().collect()
}

/// The pages of `sources` that are in no chapter, so that they were not built.
fn left_out(sources: &BTreeSet<String>, files: &BTreeSet<String>) -> Vec<String> {
    let pages = sources.iter().filter(|name| *name != "SUMMARY.md");
    let pages = pages.filter_map(|name| Some((name, name.strip_suffix(".md")?)));
    pages
        .filter(|(_, stem)| {
            let built = match stem.strip_suffix("README") {
                Some(folder) => format!("{folder}index.html"),
                None => format!("{stem}.html"),
            };
            !files.contains(&built)
        })
        .map(|(name, _)| format!("docs/{name}: in no chapter; name it in docs/SUMMARY.md"))
        .collect()
}

/// The values of an attribute, as mdBook writes them: in double quotes, behind a space.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {name}=\"");
    let mut rest = html;
    std::iter::from_fn(move || {
        let (_, behind) = rest.split_once(&start)?;
        let (value, after) = behind.split_once('"')?;
        rest = after;
        Some(value)
    })
}

/// The file that a link means in a page of `folder`; `None` outside of the book.
fn resolve(folder: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Every file below a folder.
fn list(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}; is it built?", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn relative(folder: &Path, path: &Path) -> Result<String> {
    let parts = path.strip_prefix(folder)?.iter();
    let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
    Ok(parts.join("/"))
}

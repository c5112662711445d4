use std::collections::{BTreeMap, BTreeSet};

use super::{broken_links, left_out};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_link_needs_its_page_and_its_place() {
    let page = r##"<a href="../index.html">a</a> <a href="b.html#here">b</a>
        <a href="b.html#gone">c</a> <a href="c.html">d</a> <a href="#own">e</a>
        <h2 id="own">f</h2> <a href="../../x">g</a> <a href="https://example.com/">h</a>
        <img src="../mark.svg">"##;
    let pages = BTreeMap::from([
        ("guides/a.html".to_owned(), page.to_owned()),
        ("guides/b.html".to_owned(), r#"<h2 id="here">"#.to_owned()),
        ("index.html".to_owned(), String::new()),
    ]);
    let files = names(&["guides/a.html", "guides/b.html", "index.html", "mark.svg"]);
    assert_eq!(
        broken_links(&pages, &files),
        [
            "guides/a.html: guides/b.html has no place #gone",
            "guides/a.html: the link ../../x leads nowhere",
            "guides/a.html: the link c.html leads nowhere",
        ]
    );
}

#[test]
fn a_page_stands_in_the_summary() {
    let sources = names(&["README.md", "SUMMARY.md", "book.toml", "a.md", "b.md"]);
    assert_eq!(
        left_out(&sources, &names(&["index.html", "a.html"])),
        ["docs/b.md: in no chapter; name it in docs/SUMMARY.md"]
    );
}

use crate::command::Shell;

#[test]
fn completions_are_for_the_shell_that_was_named() {
    for (shell, mark) in [
        ("bash", "complete -F _greenroom"),
        ("zsh", "#compdef greenroom"),
        ("fish", "complete -c greenroom"),
    ] {
        let ran = Shell::new().run(&["completions", shell]);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
        assert!(ran.stdout.contains(mark), "{shell}");
        // What is hidden from help is not offered.
        assert!(ran.stdout.contains("restore"));
    }
    Shell::new().run(&["completions", "tcsh"]).check(
        2,
        "",
        "\
error: invalid value 'tcsh' for '<SHELL>'
  [possible values: bash, elvish, fish, powershell, zsh]

hint: a similar value exists: 'zsh'

hint: `--help` shows what there is
",
    );
}

#[test]
fn man_pages_are_written_where_they_are_wanted() {
    let shell = Shell::new();
    let ran = shell.run(&["reference", "--man", "man"]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    let pages: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(pages[..2], ["man/greenroom.1", "man/greenroom-dev.1"]);
    assert!(pages.contains(&"man/greenroom-token-init.1"));
    for page in pages {
        let text = std::fs::read_to_string(shell.path(page)).unwrap();
        assert!(text.contains(".TH "), "{page}");
    }
    std::fs::write(shell.path("file"), "").unwrap();
    shell.run(&["reference", "--man", "file"]).check(
        1,
        "",
        "error: cannot write file: File exists (os error 17)\n",
    );
}

#[test]
fn the_reference_is_a_page() {
    let ran = Shell::new().run(&["reference"]);
    assert!(ran.stdout.starts_with("# Command line\n"));
}

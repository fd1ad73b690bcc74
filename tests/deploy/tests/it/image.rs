//! `deploy/Dockerfile`.

use std::process::Command;

use storelink_deploy_checks::{Program, repository};

/// The image of this very program; only a builder is needed, not a program that runs in it.
#[test]
fn the_image_holds_the_program_and_nothing_else() {
    let text = std::fs::read_to_string(repository("deploy/Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let instructions: Vec<&str> = lines.filter(|line| !line.starts_with(' ')).collect();
    let of = |name: &str| {
        let own = instructions.iter().filter(|line| line.starts_with(name));
        own.map(|line| line.trim()).collect::<Vec<_>>()
    };
    assert_eq!(of("FROM "), ["FROM scratch"]);
    assert_eq!(of("COPY "), ["COPY storelink /storelink"]);
    assert_eq!(of("USER "), ["USER 10001:10001"]);
    assert_eq!(of("ENTRYPOINT "), [r#"ENTRYPOINT ["/storelink"]"#]);
    assert!(of("RUN ").is_empty() && of("ADD ").is_empty());
}

#[test]
fn the_image_builds_where_there_is_a_builder() {
    let program = Program::built().unwrap();
    let built = Command::new(repository("deploy/image.sh"))
        .arg(program.path())
        .env("IMAGE", "storelink:check")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{words}");
    let image = String::from_utf8(built.stdout).unwrap();
    if image.is_empty() {
        assert!(words.contains("skipped"), "{words}");
        println!("{words}");
    } else {
        assert_eq!(image.trim(), "storelink:check");
    }
}

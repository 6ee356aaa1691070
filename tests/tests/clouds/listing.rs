//! What people see before they rent: offers, and the first configuration. Nothing here rents.

use crate::Scene;

#[test]
fn offers_are_listed_cheapest_first_and_nothing_is_rented() {
    let scene = Scene::new("gpu = 'RTX 4090'");
    let outcome = scene.said(&["offers"]);
    let text = String::from_utf8_lossy(&outcome.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() == 4 && lines[1].contains("$0.34") && lines[1].contains("RTX 4090, 24 GB"),
        "{outcome}"
    );
    let listed = scene.json(&["offers", "--json", "--gpu", "h100_sxm"]);
    assert_eq!(
        (listed[0]["gpu"].as_str(), listed[0]["micro_dollars_per_hour"].as_u64()),
        (Some("H100 SXM"), Some(1_870_000))
    );
    assert_eq!(scene.cloud.world().creates, 0);
}

#[test]
fn init_tries_the_key_and_writes_nothing_that_does_not_work() {
    let scene = Scene::new("");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, key) = (folder.path().join("config.toml"), folder.path().join("key"));
    let init = || {
        let mut init =
            scene.farwarp(&["init", "--provider", "vast", "--endpoint", &scene.cloud.url(), "--key-file"]);
        init.arg(&key).env("FARWARP_CONFIG", &config);
        farwarp_tests::run(&mut init, crate::LIMIT)
    };
    std::fs::write(&key, "wrong").expect("a file of our own");
    let outcome = init();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(
        !outcome.status.success() && said.contains("vast: not authorised: Invalid user key"),
        "{outcome}"
    );
    assert!(!config.exists());
    std::fs::write(&key, farwarp_tests::fakecloud::ACCOUNT_KEY).expect("a file of our own");
    let outcome = init();
    assert!(outcome.status.success(), "{outcome}");
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("vast as a-test, $25.00 left"), "{outcome}");
    let outcome = init();
    assert!(
        String::from_utf8_lossy(&outcome.stderr).contains("is there already; --force replaces it"),
        "{outcome}"
    );
}

//! Secrets and sensitive values, which logs and listings must not show.

use std::collections::BTreeSet;

use pomost_sandbox::{Fault, FaultAction, FaultPlan, FaultTiming};
use pomost_tests::{Stack, StackOptions, test_url, with_stack};
use url::Url;

const TOKEN: &str = "canary-crm-token";
const KEY: &str = "canary-shop-key";

/// The shop hangs up, so that customers are searched for by e-mail address, and refuses some, so
/// that there are dead letters of all stages.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_sensitive_values_are_in_no_log_and_no_listing() {
    let options = StackOptions {
        customers: 300,
        crm_token: TOKEN.into(),
        shop_key: KEY.into(),
        environment: vec![("RUST_LOG", "debug".into())],
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        let silent = Fault::new(FaultTiming::OneIn(9), FaultAction::HangUpAfter).on("POST");
        let refusing = Fault::new(FaultTiming::OneIn(50), FaultAction::answer(422)).on("POST");
        let failing = Fault::new(FaultTiming::Next(5), FaultAction::answer(500)).on("GET");
        stack.shop.set_faults(FaultPlan {
            delay_ms: 0,
            faults: vec![silent, refusing, failing],
        });
        let run = stack.request_run().await;
        stack.settled(run).await;
        let shown = listings(stack).await;
        stack.finish().await;
        let canaries = canaries(stack);
        let logs = stack
            .services()
            .into_iter()
            .map(|service| (format!("the log of {}", service.name), service.log()));
        for (place, text) in logs.into_iter().chain(shown) {
            assert!(text.contains("DEBUG"), "{place} is to be at level debug");
            let leaked: Vec<String> = canaries
                .iter()
                .filter_map(|canary| leak(&text, canary))
                .collect();
            assert!(
                leaked.is_empty(),
                "{place} shows {}, such as {:?}",
                leaked.len(),
                leaked[0]
            );
        }
    })
    .await;
}

/// The output of the command line about dead letters.
async fn listings(stack: &Stack) -> Vec<(String, String)> {
    let mut shown = vec![(
        "dead list".to_owned(),
        stack.pomost(&["dead", "list", "--limit", "1000"]).await,
    )];
    let letters = stack.dead_letters().await;
    assert!(
        letters.len() > stack.crm.expected().dead.len(),
        "some are to die in the shop"
    );
    for letter in &letters {
        let printed = stack.pomost(&["dead", "show", &letter.id]).await;
        assert!(printed.contains(letter.key()), "{printed}");
        shown.push((format!("dead show {}", letter.id), printed));
    }
    shown
}

/// Secrets, and every customer's sensitive values as the CRM has them and as the shop gets them.
fn canaries(stack: &Stack) -> BTreeSet<String> {
    let mut canaries = BTreeSet::from([TOKEN.to_owned(), KEY.to_owned()]);
    for variable in ["POMOST_TEST_AMQP_URL", "POMOST_TEST_DATABASE_URL"] {
        let password = Url::parse(&test_url(variable))
            .unwrap()
            .password()
            .unwrap_or_default()
            .to_owned();
        // RabbitMQ's default password is its user's name, which may be seen.
        canaries.extend(Some(password).filter(|password| password != "guest"));
    }
    for customer in stack.crm.customers() {
        let company = customer.company.map(|company| company.nip);
        let street = customer.address.map(|address| address.street);
        let email = customer.email.map(|email| email.trim().to_owned());
        canaries.extend(email.as_ref().map(|email| email.to_lowercase()));
        canaries.extend(
            email
                .as_ref()
                .map(|email| email.to_lowercase().replace('@', "%40")),
        );
        let phone = customer.phone.as_ref();
        canaries.extend(phone.map(|phone| phone.chars().filter(char::is_ascii_digit).collect()));
        canaries.extend(
            [email, customer.phone, company, street]
                .into_iter()
                .flatten(),
        );
    }
    canaries.retain(|canary| !canary.is_empty());
    canaries
}

/// The canary and what is around it, where it is in a text.
fn leak(text: &str, canary: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains(canary))?;
    Some(format!(
        "'{canary}' in {}",
        line.chars().take(1_000).collect::<String>()
    ))
}

//! `examples/sales-to-accounting`.

mod accounting;
mod shop;

use super::ExampleProject;
use crate::support::send_request;
use accounting::AccountingSystem;
use shop::Shop;

const ZOLW: &str = "FV/2024/03/0001;07.03.2024;Żółw & Spółka;526-104-08-28;1\u{a0}234,50;283,94;1\u{a0}518,44;23%;PLN;07.03.2024 14:05";
/// An invoice whose sum is wrong in floats: 0.92 + 0.21 is not 1.13.
const FLOATS: &str = "FV/2024/05/0007;31.05.2024;\"Kowalski; \"\"Syn\"\" i córki\";;0,92;0,21;1,13;23%;PLN;31.05.2024 23:59";
/// An invoice with more grosze than a float has digits.
const LARGEST: &str = "FV/2024/08/0002;15.08.2024;Skarb Państwa;5260001246;90 071 992 547 409,93;0,00;90 071 992 547 409,93;0%;PLN;15.08.2024 08:00";
const WRONG: &str =
    "FV/2024/09/0001;01.09.2024;Nieważne;;100,00;23,00;123,01;23%;PLN;01.09.2024 09:00";
const NEWEST: &str = "FV/2024/11/0004;15.11.2024;Łoś;;10,00;0,80;10,80;8%;eur;15.11.2024 09:00";

#[tokio::test(flavor = "multi_thread")]
async fn sales_become_invoices_that_are_right_to_the_grosz() {
    let (shop, accounting, example) = begin([ZOLW, FLOATS, LARGEST, WRONG, NEWEST]).await;
    assert_eq!(example.sync("invoices").await, "4 created, 1 dead");
    assert_eq!(
        accounting.invoices(),
        [
            r#"<Invoice number="FV/2024/03/0001"><Issued>2024-03-07</Issued><Buyer><Name>Żółw &amp; Spółka</Name><TaxId>5261040828</TaxId></Buyer><Net currency="PLN">1234.50</Net><Vat rate="23">283.94</Vat><Gross>1518.44</Gross></Invoice>"#,
            r#"<Invoice number="FV/2024/05/0007"><Issued>2024-05-31</Issued><Buyer><Name>Kowalski; "Syn" i córki</Name></Buyer><Net currency="PLN">0.92</Net><Vat rate="23">0.21</Vat><Gross>1.13</Gross></Invoice>"#,
            r#"<Invoice number="FV/2024/08/0002"><Issued>2024-08-15</Issued><Buyer><Name>Skarb Państwa</Name><TaxId>5260001246</TaxId></Buyer><Net currency="PLN">90071992547409.93</Net><Vat rate="0">0.00</Vat><Gross>90071992547409.93</Gross></Invoice>"#,
            r#"<Invoice number="FV/2024/11/0004"><Issued>2024-11-15</Issued><Buyer><Name>Łoś</Name></Buyer><Net currency="EUR">10.00</Net><Vat rate="8">0.80</Vat><Gross>10.80</Gross></Invoice>"#,
        ]
    );
    assert_eq!(
        accounting.booked(),
        9_007_199_254_740_993 + 151_844 + 113 + 1_080
    );
    assert_eq!(
        example.dead().await,
        [(
            "FV/2024/09/0001".to_owned(),
            "the mapping: Netto and VAT do not make Brutto (flows/invoices.yaml:31:37)".to_owned()
        )]
    );
    shop.assert_was_read_quarter_by_quarter();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_corrected_or_is_new_is_all_that_is_sent() {
    let (shop, accounting, example) = begin([ZOLW, FLOATS, NEWEST]).await;
    assert_eq!(example.sync("invoices").await, "3 created");
    let corrected = ZOLW.replace("283,94;1\u{a0}518,44", "283,93;1\u{a0}518,43");
    let corrected = corrected.replace("07.03.2024 14:05", "16.11.2024 08:00");
    let new = NEWEST
        .replace("0004", "0005")
        .replace("15.11.2024 09:00", "16.11.2024 08:30");
    shop.export([&corrected, FLOATS, NEWEST, &new]);
    assert_eq!(
        example.sync("invoices").await,
        "1 created, 1 updated, 1 unchanged"
    );
    assert_eq!(accounting.booked(), 151_843 + 113 + 1_080 + 1_080);
    assert_eq!(
        (
            accounting.count_method("POST"),
            accounting.count_method("PUT")
        ),
        (4, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_whose_booking_got_no_answer_is_booked_once() {
    let (_shop, accounting, example) = begin([ZOLW]).await;
    accounting.lose_an_answer();
    assert_eq!(example.sync("invoices").await, "1 created");
    assert_eq!(
        (accounting.count_method("POST"), accounting.booked()),
        (2, 151_844)
    );
}

/// One sale is of the second pass of the hour. Another one, of its first pass, is exported later.
#[tokio::test(flavor = "multi_thread")]
async fn no_sale_is_missed_in_the_hour_that_comes_twice() {
    let at = |number: &str, time: &str| {
        NEWEST
            .replace("0004", number)
            .replace("15.11.2024 09:00", time)
    };
    let first = at("0001", "27.10.2024 02:50");
    let (shop, accounting, example) = begin([&*first]).await;
    assert_eq!(example.sync("invoices").await, "1 created");
    shop.export([&*first, &at("0002", "27.10.2024 02:10")]);
    assert_eq!(example.sync("invoices").await, "1 created, 1 unchanged");
    assert_eq!(accounting.booked(), 2 * 1_080);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_system_lets_in_who_shows_nothing() {
    let (shop, accounting, _example) = begin([]).await;
    assert_eq!(
        send_request("GET", &format!("{}/export/sales.csv", shop.url()), "", "")
            .await
            .0,
        401
    );
    assert_eq!(
        send_request(
            "POST",
            &format!("{}/invoices", accounting.url()),
            "",
            "<Invoice/>"
        )
        .await
        .0,
        401
    );
}

async fn begin<const N: usize>(sales: [&str; N]) -> (Shop, AccountingSystem, ExampleProject) {
    let (shop, accounting) = (Shop::start().await, AccountingSystem::start().await);
    shop.export(sales);
    let variables = [
        ("SHOP_URL", shop.url()),
        ("SHOP_TOKEN", shop::TOKEN),
        ("ACCOUNTING_URL", accounting.url()),
        ("ACCOUNTING_PASSWORD", accounting::PASSWORD),
    ];
    let example = ExampleProject::new("sales-to-accounting", &variables);
    (shop, accounting, example)
}

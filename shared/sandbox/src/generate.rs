//! Makes up customers: the same seed, position and revision make the same customer, so that none of
//! them has to be kept.

use jiff::{Timestamp, tz::Offset};

use crate::{
    customer::{CompanyDetails, Customer, CustomerOrder, PostalAddress},
    dice::SeededDice,
    messy,
    names::*,
};

/// The state of a customer that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CustomerState {
    /// Seconds since 1970.
    pub(crate) updated_at: i64,
    /// Number of changes of the phone or the balance.
    pub(crate) revision: u32,
    /// True of a deleted customer.
    pub(crate) archived: bool,
}

/// The reason why no mapping can mend a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HopelessCause {
    EmailMissing,
    DayImpossible,
    AmountUnknown,
}

/// The id of the customer at a position, counted from 0.
pub fn customer_id(position: u32) -> String {
    format!("crm-{position:07}")
}

/// True where the customer at a position cannot cross: one in a hundred, whatever the seed.
pub fn is_hopeless(position: u32) -> bool {
    hopeless(position).is_some()
}

fn hopeless(position: u32) -> Option<HopelessCause> {
    let kinds = [
        HopelessCause::EmailMissing,
        HopelessCause::DayImpossible,
        HopelessCause::AmountUnknown,
    ];
    (position % 100 == 41).then(|| kinds[(position / 100 % 3) as usize])
}

/// The state of a customer before any change. Neighbours share their minute, and a few were
/// archived long ago.
pub(crate) fn first_entry(seed: u64, position: u32) -> CustomerState {
    let minute = i64::from(position / 3) + SeededDice::new(seed, position, 1).below(30) as i64;
    CustomerState {
        updated_at: FIRST_UPDATE + 60 * minute,
        revision: 0,
        archived: position % 200 == 87,
    }
}

/// 2025-01-01T00:00:00Z.
pub(crate) const FIRST_UPDATE: i64 = 1_735_689_600;

/// The customer at a position, in a given state.
pub(crate) fn customer(seed: u64, position: u32, entry: CustomerState) -> Customer {
    let mut dice = SeededDice::new(seed, position, 2);
    let name = PersonName::roll(&mut dice);
    let city = dice.pick(&CITIES);
    let is_company = dice.one_in(6);
    let hopeless = hopeless(position);
    Customer {
        id: customer_id(position),
        kind: if is_company { "company" } else { "person" }.to_owned(),
        email: email(&mut dice, position, &name, hopeless),
        phone: phone(seed, position, entry.revision.div_ceil(2), city.2),
        birth_date: (!is_company && !dice.one_in(8)).then(|| day(&mut dice, 1940, 2005)),
        registered: registered(&mut dice, hopeless),
        company: is_company.then(|| company(&mut dice, name.last)),
        first_name: (!dice.one_in(40)).then(|| name.first.to_owned()),
        last_name: name.last.to_owned(),
        address: (!dice.one_in(12)).then(|| address(&mut dice, city)),
        balance: balance(seed, position, entry.revision / 2, hopeless),
        credit_limit: credit_limit(&mut dice, position, is_company),
        newsletter: messy::flag(&mut dice),
        sms: messy::flag(&mut dice),
        segment: dice.pick(&SEGMENTS).to_owned(),
        channel: dice.pick(&CHANNELS).to_owned(),
        owner: PersonName::roll(&mut dice).whole(),
        note: dice.pick(&NOTES).to_owned(),
        recent_orders: (0..4).map(|_| order(&mut dice)).collect(),
        updated_at: time(entry.updated_at, position),
        archived: entry.archived,
    }
}

struct PersonName {
    first: &'static str,
    last: &'static str,
}

impl PersonName {
    fn roll(dice: &mut SeededDice) -> PersonName {
        let (female, male) = dice.pick(&SURNAMES);
        if dice.one_in(2) {
            PersonName {
                first: dice.pick(&WOMEN),
                last: female,
            }
        } else {
            PersonName {
                first: dice.pick(&MEN),
                last: male,
            }
        }
    }

    fn whole(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// An e-mail address. It is unique by the position alone.
fn email(
    dice: &mut SeededDice,
    position: u32,
    name: &PersonName,
    hopeless: Option<HopelessCause>,
) -> Option<String> {
    let address = format!(
        "{}.{}.{position}@{}",
        name.first,
        name.last,
        dice.pick(&DOMAINS)
    );
    let email = messy::email(dice, &address);
    match hopeless {
        Some(HopelessCause::EmailMissing) => (position / 300 % 2 == 1).then(String::new),
        _ => Some(email),
    }
}

fn phone(seed: u64, position: u32, revision: u32, area: &str) -> Option<String> {
    let mut dice = SeededDice::new(seed, position, 1000 + u64::from(revision));
    // A customer who has just given a new number has one.
    let missing = revision == 0 && dice.one_in(12);
    (!missing).then(|| messy::phone(&mut dice, area))
}

fn registered(dice: &mut SeededDice, hopeless: Option<HopelessCause>) -> String {
    let day = day(dice, 2005, 2024);
    match hopeless {
        Some(HopelessCause::DayImpossible) => format!("31.02.{}", &day[6..]),
        _ => day,
    }
}

fn day(dice: &mut SeededDice, first_year: u64, last_year: u64) -> String {
    let (year, month, day) = (
        dice.between(first_year, last_year),
        dice.between(1, 12),
        dice.between(1, 28),
    );
    format!("{day:02}.{month:02}.{year}")
}

fn company(dice: &mut SeededDice, owner: &str) -> CompanyDetails {
    let name = format!("{} {owner} {}", dice.pick(&TRADES), dice.pick(&LEGAL_FORMS));
    CompanyDetails {
        name,
        nip: messy::nip(dice),
    }
}

fn address(dice: &mut SeededDice, (city, post, _): (&str, &str, &str)) -> PostalAddress {
    PostalAddress {
        street: format!(
            "{} {}/{}",
            dice.pick(&STREETS),
            dice.between(1, 150),
            dice.between(1, 40)
        ),
        postal_code: format!("{post}-{:03}", dice.below(1000)),
        city: city.to_owned(),
        country: (!dice.one_in(10)).then(|| dice.pick(&COUNTRIES).to_owned()),
    }
}

fn balance(seed: u64, position: u32, revision: u32, hopeless: Option<HopelessCause>) -> String {
    let mut dice = SeededDice::new(seed, position, 2_000_000_000_000 + u64::from(revision));
    let cents = dice.pick(&[10_000, 1_000_000, 1_000_000_000]);
    let sign = if dice.one_in(10) { "-" } else { "" };
    match hopeless {
        Some(HopelessCause::AmountUnknown) => "brak danych".to_owned(),
        _ => format!("{sign}{}", messy::amount(&mut dice, cents)),
    }
}

fn order(dice: &mut SeededDice) -> CustomerOrder {
    let number = format!("ZAM/{:06}", dice.below(1_000_000));
    CustomerOrder {
        number,
        date: day(dice, 2023, 2024),
        total: messy::amount(dice, 1_000_000),
    }
}

/// A credit limit: now and then one that a double cannot hold, so that a lost digit shows.
fn credit_limit(dice: &mut SeededDice, position: u32, is_company: bool) -> Option<String> {
    match position % 500 {
        77 => Some("9 007 199 254 740 993,10".to_owned()),
        _ => is_company.then(|| messy::amount(dice, 10_000_000)),
    }
}

fn time(seconds: i64, position: u32) -> String {
    let moment = Timestamp::from_second(seconds).unwrap_or_default();
    match position % 7 {
        3 => moment.display_with_offset(Offset::constant(2)).to_string(),
        _ => moment.to_string(),
    }
}

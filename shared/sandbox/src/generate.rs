//! Customers out of nothing: the same seed, position and revision make the same customer, so none
//! of them has to be kept.

use jiff::{Timestamp, tz::Offset};

use crate::{
    customer::{Address, Company, Customer, Order},
    dice::Dice,
    messy,
    names::*,
};

/// What of a customer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Seconds since 1970.
    pub(crate) updated_at: i64,
    /// How often the phone or the balance was changed.
    pub(crate) revision: u32,
    /// Whether the customer was deleted.
    pub(crate) archived: bool,
}

/// What makes a record hopeless: no mapping can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hopeless {
    EmailMissing,
    DayImpossible,
    AmountUnknown,
}

/// The id of the customer at a position, counted from 0.
pub fn customer_id(position: u32) -> String {
    format!("crm-{position:07}")
}

/// Whether the customer at a position is one of those that cannot cross: one in a hundred, whatever
/// the seed.
pub fn is_hopeless(position: u32) -> bool {
    hopeless(position).is_some()
}

fn hopeless(position: u32) -> Option<Hopeless> {
    let kinds = [
        Hopeless::EmailMissing,
        Hopeless::DayImpossible,
        Hopeless::AmountUnknown,
    ];
    (position % 100 == 41).then(|| kinds[(position / 100 % 3) as usize])
}

/// The state a customer is in before anybody changed it. Neighbours share their minute, and a few
/// were archived long ago.
pub(crate) fn first_entry(seed: u64, position: u32) -> Entry {
    let minute = i64::from(position / 3) + Dice::new(seed, position, 1).below(30) as i64;
    Entry {
        updated_at: FIRST_UPDATE + 60 * minute,
        revision: 0,
        archived: position % 200 == 87,
    }
}

/// 2025-01-01T00:00:00Z.
pub(crate) const FIRST_UPDATE: i64 = 1_735_689_600;

/// The customer at a position, in a state.
pub(crate) fn customer(seed: u64, position: u32, entry: Entry) -> Customer {
    let mut dice = Dice::new(seed, position, 2);
    let name = Name::roll(&mut dice);
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
        owner: Name::roll(&mut dice).whole(),
        note: dice.pick(&NOTES).to_owned(),
        recent_orders: (0..4).map(|_| order(&mut dice)).collect(),
        updated_at: time(entry.updated_at, position),
        archived: entry.archived,
    }
}

struct Name {
    first: &'static str,
    last: &'static str,
}

impl Name {
    fn roll(dice: &mut Dice) -> Name {
        let (female, male) = dice.pick(&SURNAMES);
        if dice.one_in(2) {
            Name {
                first: dice.pick(&WOMEN),
                last: female,
            }
        } else {
            Name {
                first: dice.pick(&MEN),
                last: male,
            }
        }
    }

    fn whole(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// The position makes the address unique; nothing else of it would.
fn email(
    dice: &mut Dice,
    position: u32,
    name: &Name,
    hopeless: Option<Hopeless>,
) -> Option<String> {
    let address = format!(
        "{}.{}.{position}@{}",
        name.first,
        name.last,
        dice.pick(&DOMAINS)
    );
    let email = messy::email(dice, &address);
    match hopeless {
        Some(Hopeless::EmailMissing) => (position / 300 % 2 == 1).then(String::new),
        _ => Some(email),
    }
}

fn phone(seed: u64, position: u32, revision: u32, area: &str) -> Option<String> {
    let mut dice = Dice::new(seed, position, 1000 + u64::from(revision));
    // A customer who has just given a new number has one.
    let missing = revision == 0 && dice.one_in(12);
    (!missing).then(|| messy::phone(&mut dice, area))
}

fn registered(dice: &mut Dice, hopeless: Option<Hopeless>) -> String {
    let day = day(dice, 2005, 2024);
    match hopeless {
        Some(Hopeless::DayImpossible) => format!("31.02.{}", &day[6..]),
        _ => day,
    }
}

fn day(dice: &mut Dice, first_year: u64, last_year: u64) -> String {
    let (year, month, day) = (
        dice.between(first_year, last_year),
        dice.between(1, 12),
        dice.between(1, 28),
    );
    format!("{day:02}.{month:02}.{year}")
}

fn company(dice: &mut Dice, owner: &str) -> Company {
    let name = format!("{} {owner} {}", dice.pick(&TRADES), dice.pick(&LEGAL_FORMS));
    Company {
        name,
        nip: messy::nip(dice),
    }
}

fn address(dice: &mut Dice, (city, post, _): (&str, &str, &str)) -> Address {
    Address {
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

fn balance(seed: u64, position: u32, revision: u32, hopeless: Option<Hopeless>) -> String {
    let mut dice = Dice::new(seed, position, 2_000_000_000_000 + u64::from(revision));
    let cents = dice.pick(&[10_000, 1_000_000, 1_000_000_000]);
    let sign = if dice.one_in(10) { "-" } else { "" };
    match hopeless {
        Some(Hopeless::AmountUnknown) => "brak danych".to_owned(),
        _ => format!("{sign}{}", messy::amount(&mut dice, cents)),
    }
}

fn order(dice: &mut Dice) -> Order {
    let number = format!("ZAM/{:06}", dice.below(1_000_000));
    Order {
        number,
        date: day(dice, 2023, 2024),
        total: messy::amount(dice, 1_000_000),
    }
}

/// Now and then a limit that a double cannot hold, so that a lost digit shows.
fn credit_limit(dice: &mut Dice, position: u32, is_company: bool) -> Option<String> {
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

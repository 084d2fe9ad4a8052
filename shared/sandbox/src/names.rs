//! Words that customers are made of.

pub(crate) const WOMEN: [&str; 24] = [
    "Agnieszka",
    "Aleksandra",
    "Anna",
    "Barbara",
    "Bożena",
    "Danuta",
    "Elżbieta",
    "Ewa",
    "Grażyna",
    "Halina",
    "Irena",
    "Jadwiga",
    "Joanna",
    "Katarzyna",
    "Łucja",
    "Magdalena",
    "Małgorzata",
    "Maria",
    "Róża",
    "Sławomira",
    "Świętosława",
    "Wiesława",
    "Zofia",
    "Żaneta",
];

pub(crate) const MEN: [&str; 24] = [
    "Adam",
    "Andrzej",
    "Bogusław",
    "Dariusz",
    "Grzegorz",
    "Henryk",
    "Jacek",
    "Jan",
    "Jędrzej",
    "Józef",
    "Kazimierz",
    "Krzysztof",
    "Łukasz",
    "Marek",
    "Michał",
    "Mieczysław",
    "Paweł",
    "Piotr",
    "Sławomir",
    "Stanisław",
    "Świętopełk",
    "Tomasz",
    "Wojciech",
    "Zbigniew",
];

/// Surnames as a woman and as a man bear them.
pub(crate) const SURNAMES: [(&str, &str); 32] = [
    ("Błaszczyk", "Błaszczyk"),
    ("Brzęczyszczykiewicz", "Brzęczyszczykiewicz"),
    ("Cieślak", "Cieślak"),
    ("Dąbrowska", "Dąbrowski"),
    ("Głowacka", "Głowacki"),
    ("Górska", "Górski"),
    ("Jabłońska", "Jabłoński"),
    ("Jasińska", "Jasiński"),
    ("Kaczmarek", "Kaczmarek"),
    ("Kamińska", "Kamiński"),
    ("Kowalska", "Kowalski"),
    ("Krawczyk", "Krawczyk"),
    ("Król", "Król"),
    ("Lewandowska", "Lewandowski"),
    ("Łuczak", "Łuczak"),
    ("Malinowska", "Malinowski"),
    ("Nowak", "Nowak"),
    ("Ostrowska", "Ostrowski"),
    ("Pawłowska", "Pawłowski"),
    ("Piętka", "Piętka"),
    ("Sikora", "Sikora"),
    ("Szczęsna", "Szczęsny"),
    ("Szymańska", "Szymański"),
    ("Ślusarczyk", "Ślusarczyk"),
    ("Świątek", "Świątek"),
    ("Wiśniewska", "Wiśniewski"),
    ("Wójcik", "Wójcik"),
    ("Wróblewska", "Wróblewski"),
    ("Zając", "Zając"),
    ("Zielińska", "Zieliński"),
    ("Źrebiec", "Źrebiec"),
    ("Żółkiewska", "Żółkiewski"),
];

/// Cities with the first two digits of their postal codes and their telephone area codes.
pub(crate) const CITIES: [(&str, &str, &str); 16] = [
    ("Białystok", "15", "85"),
    ("Bydgoszcz", "85", "52"),
    ("Częstochowa", "42", "34"),
    ("Gdańsk", "80", "58"),
    ("Katowice", "40", "32"),
    ("Kielce", "25", "41"),
    ("Kraków", "30", "12"),
    ("Lublin", "20", "81"),
    ("Łódź", "90", "42"),
    ("Olsztyn", "10", "89"),
    ("Poznań", "60", "61"),
    ("Rzeszów", "35", "17"),
    ("Szczecin", "70", "91"),
    ("Toruń", "87", "56"),
    ("Warszawa", "00", "22"),
    ("Wrocław", "50", "71"),
];

pub(crate) const STREETS: [&str; 16] = [
    "al. Jana Pawła II",
    "os. Tysiąclecia",
    "pl. Wolności",
    "ul. 3 Maja",
    "ul. Bolesława Chrobrego",
    "ul. Długa",
    "ul. Ignacego Łukasiewicza",
    "ul. Kościuszki",
    "ul. Leśna",
    "ul. Marii Skłodowskiej-Curie",
    "ul. Polna",
    "ul. Słoneczna",
    "ul. Stefana Żeromskiego",
    "ul. Świętokrzyska",
    "ul. Wąska",
    "ul. Źródlana",
];

pub(crate) const TRADES: [&str; 12] = [
    "Budownictwo",
    "Cukiernia",
    "Drukarnia",
    "Gospodarstwo Rolne",
    "Hurtownia",
    "Kancelaria",
    "Księgarnia",
    "Meble",
    "Piekarnia",
    "Przedsiębiorstwo Usługowe",
    "Transport",
    "Zakład Mechaniczny",
];

pub(crate) const LEGAL_FORMS: [&str; 5] = [
    "i Wspólnicy",
    "S.A.",
    "sp. j.",
    "sp. z o.o.",
    "„Żubr” sp. z o.o.",
];

/// Domains that belong to nobody (RFC 2606).
pub(crate) const DOMAINS: [&str; 5] = [
    "Example.com",
    "Example.net",
    "Poczta.example",
    "Firma.example",
    "Biuro.Firma.example",
];

pub(crate) const SEGMENTS: [&str; 5] = ["detal", "hurt", "vip", "sezonowy", "uśpiony"];

pub(crate) const CHANNELS: [&str; 5] = [
    "targi w Poznaniu",
    "sklep stacjonarny",
    "polecenie",
    "formularz WWW",
    "infolinia",
];

pub(crate) const NOTES: [&str; 6] = [
    "Prosi o kontakt telefoniczny po godzinie 16:00; faktury wyłącznie elektronicznie, bez wydruku.",
    "Klient od początku działalności. Rabat 5 % na cały asortyment, ustalony ustnie z działem sprzedaży.",
    "Adres do wysyłki inny niż na fakturze: \"magazyn nr 2, rampa B\", wjazd od strony torów.",
    "Zażółć gęślą jaźń – notatka przeniesiona ze starego systemu, proszę sprawdzić przy okazji.",
    "Reklamacja z ubiegłego roku uznana. Wysłano przeprosiny i kupon, odpowiedzi dotąd brak.",
    "Zamawia kwartalnie, zwykle w pierwszym tygodniu; termin płatności 14 dni, bez opóźnień.",
];

/// Words for yes and no that the clerks of twenty years wrote.
pub(crate) const YES: [&str; 7] = ["tak", "Tak", "TAK", "T", "t", "1", "yes"];
pub(crate) const NO: [&str; 7] = ["nie", "Nie", "NIE", "N", "n", "0", "no"];

/// Names of the country; the last ones are of other countries.
pub(crate) const COUNTRIES: [&str; 8] = [
    "PL", "PL", "PL", "pl", "Polska", "Polska", "POLSKA", "Niemcy",
];

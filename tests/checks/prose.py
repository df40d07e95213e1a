"""What the generated reports say, language by language: each fact as a page has it, and as an answer does.

`{n}` is an exact number, `{r}` a rounded one with a word such as million, `{p}` a percentage, `{m}` an amount
of money, `{d}` a date, `{c}` a small count (in words on some pages), `{y}` a year, `{a}` and `{b}` a range.
"""

from __future__ import annotations

from typing import NamedTuple


class Prose(NamedTuple):
    """A language with its ways to write."""

    name: str
    group: str
    point: str
    scales: tuple[tuple[int, str], ...]
    percent: tuple[str, ...]
    money: tuple[str, ...]
    """Around an amount; the first as pages have it."""
    quotes: tuple[str, str]
    months: str
    dates: tuple[str, ...]
    """`{d}`, `{m}`, `{y}`; `{M}` is the month's name."""
    counts: str
    """Words for 3 to 9; empty where pages write digits."""
    pages: dict[str, str]
    answers: dict[str, tuple[str, ...]]
    said: tuple[str, ...]
    """What somebody says, word for word."""
    says: str
    """How an answer quotes it."""
    other: str
    """A word that nobody says."""
    digits: str = "0123456789"
    about: str = "{r}"
    filler: str = ""


ENGLISH = Prose(
    "English",
    ",",
    ".",
    ((10**9, " billion"), (10**6, " million")),
    ("{}%", "{} percent", "{} per cent"),
    ("${}", "US${}", "{} dollars"),
    ("“", "”"),
    "January February March April May June July August September October November December",
    ("{M} {d}, {y}", "{d} {M} {y}", "{y}-{m:02}-{d:02}", "{M} {d} {y}"),
    "three four five six seven eight nine",
    {
        "n": "Northwind Bikes Inc. had a workforce of {n} at the end of the year.",
        "m": "Total revenues reached {m}, the company said in its annual report.",
        "p": "That was a rise of {p} on the previous year, driven by e-bikes.",
        "d": "The company was founded on {d} in a shed behind a bakery.",
        "c": "It runs plants in {c} countries and sells through dealers.",
        "ab": "Analysts expect between {a} and {b} million units next year.",
        "name": "Chief executive Mara Lindqvist-Okafor took over from Jonas Weber.",
    },
    {
        "n": (
            "Northwind employs {n} people",
            "The firm has about {r} employees",
            "It had {r} staff in total",
        ),
        "m": ("Revenue came to {m}", "It turned over {m} [2]"),
        "p": ("Growth was {p}", "Sales rose {p} compared with the year before"),
        "d": ("It goes back to {d}", "The founding date is {d}"),
        "c": ("Factories stand in {c} countries", "Production is spread over {c} nations"),
        "ab": (
            "Forecasts range from {a} to {b} million units",
            "{a}–{b} million units are expected",
        ),
        "name": ("Its head is Mara Lindqvist-Okafor", "CEO Lindqvist-Okafor succeeded Jonas Weber"),
    },
    (
        "We never planned to become a big company, and we still do not",
        "The market has not cooled down, it has merely stopped boiling over",
        "Our customers ride in the rain, so our bikes have to love it",
    ),
    "As its chief put it: {q}",
    "elephants",
    about="nearly {r}",
    filler=(
        "Section 3 of the report has 12 tables. GPT-4 was not used. "
        "Call +1 415 555 0134 for 24-hour help."
    ),
)
GERMAN = Prose(
    "German",
    ".",
    ",",
    ((10**9, " Milliarden"), (10**6, " Millionen")),
    ("{} %", "{} Prozent", "{}%"),
    ("{} Euro", "{} €", "€ {}"),
    ("„", "“"),
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    ("{d}. {M} {y}", "{d:02}.{m:02}.{y}", "{y}-{m:02}-{d:02}"),
    "drei vier fünf sechs sieben acht neun",
    {
        "n": "Die Nordrad AG beschäftigte zum Jahresende {n} Menschen.",
        "m": "Der Umsatz lag laut Geschäftsbericht bei {m}.",
        "p": "Das waren {p} mehr als im Vorjahr, vor allem wegen der E-Bikes.",
        "d": "Gegründet wurde das Unternehmen am {d} in einem Schuppen.",
        "c": "Werke stehen in {c} Ländern, verkauft wird über Händler.",
        "ab": "Analysten erwarten zwischen {a} und {b} Millionen Räder im nächsten Jahr.",
        "name": "Vorstandschefin Mara Lindqvist folgte auf Jonas Weber.",
    },
    {
        "n": ("Nordrad hat {n} Beschäftigte", "Rund {r} Mitarbeiter arbeiten dort"),
        "m": ("Der Umsatz betrug {m}", "Nordrad setzte {m} um [1]"),
        "p": ("Das Wachstum lag bei {p}", "Der Absatz stieg um {p}"),
        "d": ("Die Firma besteht seit dem {d}", "Gründungstag war der {d}"),
        "c": ("Es gibt Fabriken in {c} Ländern", "Produziert wird in {c} Staaten"),
        "ab": ("Erwartet werden {a} bis {b} Millionen Stück", "Prognose: {a}–{b} Millionen Stück"),
        "name": ("An der Spitze steht Mara Lindqvist", "Vorständin Lindqvist löste Jonas Weber ab"),
    },
    (
        "Wir wollten nie ein großes Unternehmen werden, und wir wollen es noch immer nicht",
        "Der Markt ist nicht abgekühlt, er kocht nur nicht mehr über",
    ),
    "Die Chefin sagte: {q}",
    "Elefanten",
    about="rund {r}",
)
FRENCH = Prose(
    "French",
    "\u202f",
    ",",
    ((10**9, " milliards"), (10**6, " millions")),
    ("{} %", "{} pour cent", "{}\u202f%"),
    ("{} euros", "{} €", "{} d'euros"),
    ("«\u00a0", "\u00a0»"),
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    ("{d} {M} {y}", "{d:02}/{m:02}/{y}", "{y}-{m:02}-{d:02}"),
    "trois quatre cinq six sept huit neuf",
    {
        "n": "La société Vélonord comptait {n} salariés à la fin de l'année.",
        "m": "Le chiffre d'affaires a atteint {m}, selon le rapport annuel.",
        "p": "C'est une hausse de {p} par rapport à l'année précédente.",
        "d": "L'entreprise a été fondée le {d} dans un hangar.",
        "c": "Ses usines se trouvent dans {c} pays.",
        "ab": "Les analystes attendent entre {a} et {b} millions d'unités.",
        "name": "La directrice générale Mara Lindqvist a succédé à Jonas Weber.",
    },
    {
        "n": ("Vélonord emploie {n} personnes", "Elle compte environ {r} de salariés"),
        "m": ("Les ventes s'élèvent à {m}", "Elle a réalisé {m} de chiffre d'affaires"),
        "p": ("La croissance est de {p}", "Les ventes ont progressé de {p}"),
        "d": ("Elle existe depuis le {d}", "La date de création est le {d}"),
        "c": ("Elle produit dans {c} pays",),
        "ab": ("On attend de {a} à {b} millions d'unités",),
        "name": ("Elle est dirigée par Mara Lindqvist",),
    },
    (
        "Nous n'avons jamais voulu devenir une grande entreprise, et nous ne le voulons toujours pas",
        "Le marché n'a pas refroidi, il a seulement cessé de déborder",
    ),
    "Sa directrice l'a dit : {q}",
    "éléphants",
    about="près de {r}",
)
SPANISH = Prose(
    "Spanish",
    ".",
    ",",
    ((10**6, " millones"),),
    ("{} %", "{} por ciento", "{}%"),
    ("{} de euros", "{} €", "{} euros"),
    ("«", "»"),
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    ("{d} de {M} de {y}", "{d}/{m}/{y}", "{y}-{m:02}-{d:02}"),
    "tres cuatro cinco seis siete ocho nueve",
    {
        "n": "La empresa Norbici tenía {n} trabajadores a finales de año.",
        "m": "Los ingresos llegaron a {m}, según el informe anual.",
        "p": "Fue un aumento del {p} respecto al año anterior.",
        "d": "La compañía se fundó el {d} en un cobertizo.",
        "c": "Tiene fábricas en {c} países.",
        "ab": "Los analistas esperan entre {a} y {b} millones de unidades.",
        "name": "La directora general Mara Lindqvist sucedió a Jonas Weber.",
    },
    {
        "n": ("Norbici emplea a {n} personas", "Cuenta con unos {r} de empleados"),
        "m": ("Facturó {m}", "Sus ventas fueron de {m}"),
        "p": ("Creció un {p}", "Las ventas subieron el {p}"),
        "d": ("Existe desde el {d}", "Nació el {d}"),
        "c": ("Produce en {c} países",),
        "ab": ("Se prevén de {a} a {b} millones de unidades",),
        "name": ("La dirige Mara Lindqvist",),
    },
    ("Nunca quisimos ser una gran empresa, y seguimos sin quererlo de verdad",),
    "Su directora lo dijo así: {q}",
    "elefantes",
    about="casi {r}",
)
RUSSIAN = Prose(
    "Russian",
    "\u00a0",
    ",",
    ((10**9, " млрд"), (10**6, " млн")),
    ("{} %", "{} процента", "{}%"),
    ("{} рублей", "{} руб.", "{} ₽"),
    ("«", "»"),
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    ("{d} {M} {y} года", "{d:02}.{m:02}.{y}", "{d} {M} {y} г."),
    "три четыре пять шесть семь восемь девять",
    {
        "n": "На конец года в компании «Северный велосипед» работали {n} человек.",
        "m": "Выручка, согласно отчёту, составила {m}.",
        "p": "Это на {p} больше, чем годом ранее.",
        "d": "Компания была основана {d} в сарае за пекарней.",
        "c": "Заводы есть в {c} странах.",
        "ab": "Аналитики ожидают от {a} до {b} млн велосипедов.",
        "name": "Генеральный директор Мария Ковалёва сменила Ивана Петрова.",
    },
    {
        "n": ("В компании {n} сотрудников", "Там работает около {r} человек"),
        "m": ("Выручка достигла {m}", "Оборот составил {m}"),
        "p": ("Рост составил {p}", "Продажи выросли на {p}"),
        "d": ("Она существует с {d}", "Дата основания: {d}"),
        "c": ("Производство есть в {c} странах",),
        "ab": ("Ожидается {a}–{b} млн штук",),
        "name": ("Компанию возглавляет Мария Ковалёва", "До Марии Ковалёвой был Иван Петров"),
    },
    ("Мы никогда не хотели стать большой компанией и до сих пор не хотим",),
    "Её глава сказала: {q}",
    "слонов",
    about="почти {r}",
)
GREEK = Prose(
    "Greek",
    ".",
    ",",
    ((10**9, " δισεκατομμύρια"), (10**6, " εκατομμύρια")),
    ("{}%", "{} τοις εκατό"),
    ("{} ευρώ", "{} €"),
    ("«", "»"),
    "Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου Οκτωβρίου "
    "Νοεμβρίου Δεκεμβρίου",
    ("{d} {M} {y}", "{d}/{m}/{y}"),
    "τρία τέσσερα πέντε έξι επτά οκτώ εννέα",
    {
        "n": "Στο τέλος του έτους η εταιρεία είχε {n} εργαζομένους.",
        "m": "Τα έσοδα έφτασαν τα {m} σύμφωνα με την έκθεση.",
        "p": "Η αύξηση ήταν {p} σε σχέση με πέρυσι.",
        "d": "Η εταιρεία ιδρύθηκε στις {d} σε μια αποθήκη.",
        "c": "Υπάρχουν εργοστάσια σε {c} κράτη.",
        "ab": "Οι αναλυτές περιμένουν από {a} έως {b} εκατομμύρια τεμάχια.",
        "name": "Η διευθύντρια Μαρία Παπαδοπούλου διαδέχθηκε τον Γιώργο Νικολάου.",
    },
    {
        "n": ("Απασχολεί {n} άτομα", "Έχει περίπου {r} εργαζομένους"),
        "m": ("Ο τζίρος ήταν {m}",),
        "p": ("Οι πωλήσεις ανέβηκαν {p}",),
        "d": ("Λειτουργεί από τις {d}",),
        "c": ("Παράγει σε {c} κράτη",),
        "ab": ("Αναμένονται {a}-{b} εκατομμύρια τεμάχια",),
        "name": ("Επικεφαλής είναι η Μαρία Παπαδοπούλου",),
    },
    ("Ποτέ δεν θέλαμε να γίνουμε μεγάλη εταιρεία και ακόμη δεν το θέλουμε",),
    "Η επικεφαλής είπε: {q}",
    "ελέφαντες",
    about="σχεδόν {r}",
)

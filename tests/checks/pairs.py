"""Excerpts and answers written by hand, as pages and reports write: prose, tables, lists, quotes in quotes.

`⟦right¦wrong⟧` in an answer is what an excerpt says, and what is planted in its place.
"""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """What a page says, and an answer that cites it."""

    excerpt: str
    answer: str


PAIRS: dict[str, Pair] = {
    "en filing": Pair(
        "Net sales for the quarter ended September 30, 2023 were $1,284.6 million, up 7.4% from "
        "$1,196.1 million a year earlier. Operating income fell to $98.2 million. The board "
        "declared a dividend of $0.35 per share, payable on November 15, 2023.",
        "Sales reached ⟦$1.28 billion¦$1.38 billion⟧ in the quarter that ended on ⟦30 September "
        "2023¦13 September 2023⟧, ⟦7.4¦4.7⟧ percent more than the year before ($1,196.1m), while "
        "operating income was ⟦$98.2 million¦$89.2 million⟧. Shareholders get ⟦35 cents¦53 "
        "cents⟧ a share on 15 November.",
    ),
    "en table": Pair(
        "| Plant | Country | Capacity (MW) | Opened |\n"
        "|---|---|---|---|\n"
        "| Hollandse Kust | Netherlands | 1,529 | 2023 |\n"
        "| Seagreen | Scotland | 1,075 | 2023 |\n"
        "| Saint-Nazaire | France | 480 | 2022 |",
        "| Wind farm | Capacity | Year |\n"
        "|---|---|---|\n"
        "| Hollandse Kust | ⟦1,529 MW¦1,592 MW⟧ | 2023 |\n"
        "| Seagreen | ⟦1.075 GW¦1.75 GW⟧ | 2023 |\n"
        "| Saint-Nazaire | 480 MW | ⟦2022¦2021⟧ |",
    ),
    "en nested quotes": Pair(
        "“When the minister said ‘we will not pay a cent more’, I knew the talks were over,” "
        "recalled Sir Alan Whitcombe, who led the delegation from 1998 to 2004.",
        "⟦Sir Alan Whitcombe¦Sir Alan Thornbury⟧, who led the delegation until ⟦2004¦2007⟧, "
        "said: “When the minister said ‘we will not pay ⟦a cent¦a single cent⟧ more’, I knew the "
        "talks were over.”",
    ),
    "en list": Pair(
        "The survey covered 4,812 households in 37 districts. Some 61 percent had piped water; "
        "22 percent used wells; the rest relied on tankers. Field work ran from 3 to 28 June "
        "2021.",
        "Key facts:\n"
        "\n"
        "- Sample: ⟦4,812¦4,182⟧ households, ⟦37¦73⟧ districts\n"
        "- Piped water: ⟦61%¦66%⟧; wells: ⟦22%¦32%⟧\n"
        "- Field work: ended on ⟦28 June 2021¦28 July 2021⟧",
    ),
    "en units": Pair(
        "The tunnel is 57.1 kilometres long and lies up to 2,300 metres below the surface; "
        "boring took 17 years and cost about 12.2 billion Swiss francs. Trains pass it in 20 "
        "minutes.",
        "At ⟦57.1 km¦51.7 km⟧ it lies as much as ⟦2,300 m¦2,800 m⟧ deep. Work lasted ⟦17 "
        "years¦17 months⟧ and cost ⟦CHF 12.2 billion¦CHF 12.2 million⟧; a train needs ⟦20 "
        "minutes¦20 hours⟧.",
    ),
    "en people": Pair(
        "Dr. Amara Nwosu-Feld, professor of hydrology at Delft, and her co-author Luis Ortega "
        "Paz published the study in Nature Water on 14 February 2024; 212 of 340 basins were "
        "drying.",
        "⟦Amara Nwosu-Feld¦Amara Kovacs⟧ and Luis ⟦Ortega Paz¦Mendez Ruiz⟧ found in ⟦February "
        "2024¦February 2023⟧ that ⟦212¦221⟧ of 340 basins lose water.",
    ),
    "en words": Pair(
        "Twenty-three of the forty members voted against; eleven abstained. The chair, Baroness "
        "Okonkwo, called the result “a clear signal to the Treasury, and not a friendly one”.",
        "The motion failed with ⟦23¦32⟧ votes against and ⟦11¦12⟧ abstentions out of 40. It was "
        "“a clear signal to the ⟦Treasury¦Cabinet⟧, and not a friendly one”.",
    ),
    "en ranges": Pair(
        "Prices are seen at $62-$68 a barrel in 2026, down from an average of $71.34 in 2025; "
        "output could grow by 1.1 to 1.4 million barrels a day.",
        "For 2026 the agency expects ⟦$62¦$52⟧ to ⟦$68¦$86⟧ a barrel (2025: ⟦$71.34¦$73.14⟧) and "
        "growth of ⟦1.1¦2.1⟧–1.4 million barrels per day.",
    ),
    "en million table": Pair(
        "Consolidated figures (in thousands of dollars)\n"
        "Revenue 45,210 39,876\n"
        "R&D expense 12,055 9,870\n"
        "Net loss (3,412) (5,980)",
        "Revenue was ⟦$45.2 million¦$54.2 million⟧ after $39.9 million, R&D took ⟦$12.1 "
        "million¦$21.1 million⟧, and the net loss narrowed to ⟦$3.4 million¦$4.3 million⟧.",
    ),
    "en footnotes": Pair(
        "As of 31 December 2022 the fund held 118 positions worth £2.46bn; its ten largest made "
        "up 41.8 per cent.",
        "The fund held ⟦118¦181⟧ positions [1] worth ⟦£2.46 billion¦€2.46 billion⟧ [2]. The top "
        "ten came to ⟦41.8%¦48.1%⟧ ([source](https://example.org/2022/118)).",
    ),
    "de bericht": Pair(
        "Der Konzern setzte im Geschäftsjahr 2022/23 rund 4,37 Milliarden Euro um (Vorjahr: 3,98 "
        "Mrd. €). Zum 30. September 2023 waren 18.342 Mitarbeiter beschäftigt, davon 6.120 im "
        "Inland.",
        "Der Umsatz stieg auf ⟦4,37 Mrd. Euro¦4,73 Mrd. Euro⟧ nach 3,98 Mrd. Euro. Am "
        "⟦30.09.2023¦30.06.2023⟧ hatte der Konzern ⟦18.342¦18.432⟧ Beschäftigte, ⟦6.120¦6.210⟧ "
        "davon in Deutschland.",
    ),
    "de zitat": Pair(
        "„Wir haben den Antrag ‚mit Bauchschmerzen‘ unterschrieben“, räumte Bürgermeisterin Dr. "
        "Heike Sandvoß am 4. Mai 2021 ein. Zwölf von fünfzehn Räten stimmten zu.",
        "„Wir haben den Antrag ‚mit ⟦Bauchschmerzen¦Kopfschmerzen⟧‘ unterschrieben“, sagte "
        "⟦Heike Sandvoß¦Heike Brandt⟧ am ⟦04.05.2021¦05.04.2021⟧; ⟦12¦13⟧ Räte waren dafür.",
    ),
    "de maße": Pair(
        "Die Brücke misst 1.234,5 Meter bei einer Breite von 29 m; verbaut wurden 41.000 Tonnen "
        "Stahl. Sie kostete 387,6 Mio. Euro und wurde nach sieben Jahren Bauzeit fertig.",
        "- Länge: ⟦1.234,5 m¦1.243,5 m⟧\n"
        "- Breite: ⟦29 Meter¦39 Meter⟧\n"
        "- Stahl: ⟦41.000 t¦14.000 t⟧\n"
        "- Kosten: ⟦387,6 Millionen Euro¦378,6 Millionen Euro⟧\n"
        "- Bauzeit: ⟦7 Jahre¦9 Jahre⟧",
    ),
    "de anteil": Pair(
        "Knapp ein Drittel der 2.450 Befragten, nämlich 31,6 Prozent, lehnt den Plan ab; 48,9 "
        "Prozent sind dafür. Die Umfrage lief vom 12. bis 19. Januar 2024.",
        "Von ⟦2.450¦2.540⟧ Befragten sind ⟦48,9 %¦49,8 %⟧ dafür und ⟦31,6 %¦36,1 %⟧ dagegen (bis "
        "⟦19. Januar 2024¦19. Juni 2024⟧).",
    ),
    "nl": Pair(
        "De gemeente telde op 1 januari 2023 precies 361.924 inwoners, 2.551 meer dan een jaar "
        "eerder. Wethouder Rens Kuipers sprak van ‘een groei die we niet meer kunnen huisvesten’.",
        "Begin 2023 woonden er ⟦361.924¦316.924⟧ mensen, een toename van ⟦2.551¦2.515⟧. "
        "Wethouder Rens ⟦Kuipers¦Bakker⟧: ‘een groei die we niet ⟦meer kunnen¦meer willen⟧ "
        "huisvesten’.",
    ),
    "sv": Pair(
        "Omsättningen ökade med 8,3 procent till 12 456 miljoner kronor under 2022. Bolaget har "
        "5 730 anställda i 14 länder, enligt vd Karin Ekholm-Strand.",
        "Under 2022 omsatte bolaget ⟦12 456 miljoner kronor¦12 654 miljoner kronor⟧, upp ⟦8,3 "
        "%¦3,8 %⟧, med ⟦5 730¦7 530⟧ anställda i ⟦14¦41⟧ länder.",
    ),
    "da": Pair(
        "Selskabet fik i 2023 et overskud på 742 mio. kr. og ansatte 319 nye medarbejdere. "
        "Fabrikken i Esbjerg åbnede den 17. april 2019.",
        "Overskuddet var ⟦742 mio. kr.¦724 mio. kr.⟧ i ⟦2023¦2020⟧; ⟦319¦391⟧ blev ansat. "
        "Fabrikken er fra ⟦17. april 2019¦27. april 2019⟧.",
    ),
    "fr": Pair(
        "Au 31 décembre 2022, la société comptait 24 618 salariés répartis dans 29 pays et "
        "réalisait un chiffre d'affaires de 6,84 milliards d'euros, en hausse de 5,2 %.",
        "Fin 2022, elle employait ⟦24 618¦24 816⟧ personnes dans ⟦29¦39⟧ pays, pour un chiffre "
        "d'affaires de ⟦6,84 Md€¦8,64 Md€⟧ (⟦+5,2 %¦+2,5 %⟧).",
    ),
    "fr citation": Pair(
        "« Le ministre m'a répondu : “Ce n'est pas le moment”, et la réunion s'est arrêtée là », "
        "raconte Mme Hélène de Brissac-Leroy, présidente depuis mars 2017.",
        "⟦Hélène de Brissac-Leroy¦Hélène de Montfort⟧, présidente depuis ⟦mars 2017¦mars 2012⟧ : "
        "« Le ministre m'a répondu : “Ce n'est pas le ⟦moment¦sujet⟧”, et la réunion s'est "
        "arrêtée là ».",
    ),
    "fr liste": Pair(
        "Le barrage retient 1,45 milliard de m³ sur 2 800 hectares. Sa construction a duré 6 ans "
        "et employé 2 400 ouvriers ; il produit 360 GWh par an.",
        "- Surface : ⟦2 800 ha¦8 200 ha⟧\n"
        "- Durée des travaux : ⟦6 ans¦6 mois⟧\n"
        "- Ouvriers : ⟦2 400¦4 200⟧\n"
        "- Production : ⟦360 GWh¦360 MWh⟧ par an",
    ),
    "es": Pair(
        "La empresa facturó 1.870 millones de euros en 2023, un 11,4 % más, y cerró el año con "
        "9.215 empleados en doce países, según su consejera delegada, María José Alcántara.",
        "Facturó ⟦1.870 millones de euros¦1.780 millones de euros⟧ (⟦11,4 %¦14,1 %⟧ más) con "
        "⟦9.215¦9.512⟧ empleados en ⟦12¦10⟧ países. La dirige María José ⟦Alcántara¦Quintana⟧.",
    ),
    "es fechas": Pair(
        "El tratado se firmó el 7 de junio de 1494 y fijó la línea a 370 leguas de las islas. "
        "«No hubo vencedores en aquella mesa de negociación», resume el historiador.",
        "Se firmó el ⟦7 de junio de 1494¦7 de julio de 1494⟧; la línea quedó a ⟦370¦307⟧ leguas. "
        "«No hubo ⟦vencedores¦vencidos⟧ en aquella mesa de negociación».",
    ),
    "es millones": Pair(
        "El país tiene 47.615.034 habitantes, de los que 6.491.502 son extranjeros (13,6 %). "
        "Madrid suma 3,28 millones.",
        "Viven allí ⟦47,6 millones¦46,7 millones⟧ de personas, ⟦6,5 millones¦5,6 millones⟧ "
        "extranjeras, el ⟦13,6¦16,3⟧ por ciento; en Madrid, ⟦3,28 millones¦3,82 millones⟧.",
    ),
    "it": Pair(
        "Nel 2022 il gruppo ha registrato ricavi per 3,12 miliardi di euro e un utile di 245 "
        "milioni; i dipendenti erano 7.906. «Abbiamo pagato l'energia il triplo, ma non ci siamo "
        "fermati», ha detto l'ad.",
        "Ricavi: ⟦3,12 miliardi di euro¦3,21 miliardi di euro⟧. Utile: ⟦245 milioni¦254 "
        "milioni⟧. Dipendenti: ⟦7.906¦7.609⟧. «Abbiamo pagato l'energia il ⟦triplo¦doppio⟧, ma "
        "non ci siamo fermati».",
    ),
    "pt": Pair(
        "A produção atingiu 2,3 milhões de toneladas em 2021, alta de 6,7% sobre 2020, com "
        "12.480 hectares plantados. A safra começou em 15 de março de 2021.",
        "Em 2021 foram ⟦2,3 milhões de toneladas¦3,2 milhões de toneladas⟧ (⟦6,7%¦7,6%⟧ a mais) "
        "em ⟦12.480¦14.280⟧ hectares; início em ⟦15/03/2021¦15/08/2021⟧.",
    ),
    "ro": Pair(
        "Compania are 3.450 de angajați și a investit 128 de milioane de euro în 2023, cu 19% "
        "mai mult. Fabrica s-a deschis pe 12.10.2018.",
        "Are ⟦3.450¦3.540⟧ de angajați; a investit ⟦128¦182⟧ de milioane de euro, cu ⟦19%¦91%⟧ "
        "mai mult. Fabrica: ⟦12.10.2018¦21.10.2018⟧.",
    ),
    "ru": Pair(
        "В 2022 году завод выпустил 56 780 тракторов, на 9,5 % больше, чем годом ранее. Выручка "
        "составила 41,2 млрд рублей. «Мы не остановили конвейер ни на один день», — заявил "
        "директор Павел Громов.",
        "Завод выпустил ⟦56 780¦65 780⟧ тракторов (⟦+9,5 %¦+5,9 %⟧), выручка — ⟦41,2 млрд "
        "руб.¦42,1 млрд руб.⟧ Павел ⟦Громов¦Сидоров⟧ сказал: «Мы не остановили конвейер ни на "
        "один ⟦день¦час⟧».",
    ),
    "ru дата": Pair(
        "Мост открыли 15 мая 2018 года; его длина — 19 км, через него проходит до 40 тысяч машин "
        "в сутки.",
        "Мост длиной ⟦19 километров¦91 километр⟧ открыт ⟦15.05.2018¦15.06.2018⟧ и пропускает до "
        "⟦40 000¦48 000⟧ машин.",
    ),
    "uk": Pair(
        "Торік підприємство експортувало 84,3 тис. тонн олії на 112 мільйонів доларів до 31 "
        "країни.",
        "Експорт: ⟦84,3 тис. тонн¦83,4 тис. тонн⟧ на ⟦112 млн доларів¦121 млн доларів⟧ до "
        "⟦31¦13⟧ країни.",
    ),
    "pl": Pair(
        "Spółka zatrudnia 11 260 osób i w 2023 r. zarobiła 618 mln zł przy przychodach 7,9 mld "
        "zł. Prezes Anna Wierzbicka podała to 14 marca 2024 r.",
        "Zatrudnia ⟦11 260¦11 620⟧ osób; zysk ⟦618 milionów złotych¦681 milionów złotych⟧, "
        "przychody ⟦7,9 mld zł¦9,7 mld zł⟧ (⟦14.03.2024¦24.03.2024⟧).",
    ),
    "cs": Pair(
        "Firma loni utržila 2,6 miliardy korun a zaměstnávala 1 845 lidí. Nová hala o 14 500 m² "
        "stála 320 milionů korun.",
        "Tržby ⟦2,6 miliardy korun¦6,2 miliardy korun⟧, ⟦1 845¦1 485⟧ zaměstnanců, hala ⟦14 "
        "500¦15 400⟧ m² za ⟦320 milionů¦230 milionů⟧ korun.",
    ),
    "el": Pair(
        "Το 2022 οι εξαγωγές έφτασαν τα 54,9 δισ. ευρώ, αυξημένες κατά 36,8%. Στο λιμάνι "
        "εργάζονται 1.240 άτομα.",
        "Οι εξαγωγές ήταν ⟦54,9 δισεκατομμύρια ευρώ¦59,4 δισεκατομμύρια ευρώ⟧ (⟦36,8 τοις "
        "εκατό¦38,6 τοις εκατό⟧) και ⟦1.240¦1.420⟧ άτομα εργάζονται εκεί.",
    ),
    "tr": Pair(
        "Şirket 2023 yılında 27,4 milyar lira ciro yaptı ve 8.350 kişi istihdam etti; ihracat "
        "%14,2 arttı. Tesis 29 Ekim 2020'de açıldı.",
        "Ciro ⟦27,4 milyar TL¦24,7 milyar TL⟧, çalışan ⟦8.350¦8.530⟧, ihracat artışı "
        "⟦%14,2¦%12,4⟧, açılış ⟦29.10.2020¦19.10.2020⟧.",
    ),
    "hu": Pair(
        "A cég 2022-ben 91,3 milliárd forint árbevételt ért el, 2 170 dolgozóval, 6,4 százalékos "
        "növekedéssel.",
        "Árbevétel: ⟦91,3 milliárd forint¦93,1 milliárd forint⟧; dolgozók: ⟦2170¦2710⟧; "
        "növekedés: ⟦6,4%¦4,6%⟧.",
    ),
    "fi": Pair(
        "Liikevaihto kasvoi 4,8 prosenttia 935 miljoonaan euroon, ja henkilöstöä oli 3 412 "
        "vuoden 2023 lopussa.",
        "Liikevaihto oli ⟦935 milj. euroa¦953 milj. euroa⟧ (kasvu ⟦4,8 %¦8,4 %⟧), henkilöstö ⟦3 "
        "412¦3 142⟧.",
    ),
    "ar": Pair(
        "أنتجت المصفاة ٢٫٤ مليون برميل في عام ٢٠٢٢ بزيادة ١٢٪ ويعمل فيها ٥٬٦٧٠ عاملاً منذ ١٥ "
        "يونيو ٢٠١٩.",
        "بلغ الإنتاج ⟦2.4 مليون¦4.2 مليون⟧ برميل بزيادة ⟦12%¦21%⟧ ويعمل فيها ⟦5670¦5760⟧ عاملا "
        "منذ ⟦15 يونيو 2019¦15 يوليو 2019⟧.",
    ),
    "fa": Pair(
        "این کارخانه در سال ۲۰۲۱ حدود ۳٫۵ میلیون تن فولاد تولید کرد و ۱۸٬۲۰۰ کارگر دارد.",
        "تولید ⟦3.5 میلیون¦5.3 میلیون⟧ تن بود و ⟦18,200¦12,800⟧ کارگر دارد.",
    ),
    "he": Pair(
        "החברה מעסיקה 2,315 עובדים והכנסותיה ב-2023 היו 890 מיליון שקל, עלייה של 7.5%. היא נוסדה "
        "ב-3 באפריל 1997.",
        "מועסקים ⟦2,315¦2,513⟧ עובדים, ההכנסות ⟦890 מיליון ₪¦980 מיליון ₪⟧, עלייה של ⟦7.5 "
        "אחוז¦5.7 אחוז⟧; נוסדה ב-⟦3.4.1997¦3.5.1997⟧.",
    ),
    "hi": Pair(
        "योजना से 1.25 करोड़ किसानों को लाभ मिला और ₹ 8,400 करोड़ खर्च हुए, जो पिछले वर्ष से 16 "
        "प्रतिशत अधिक है।",
        "⟦1.25 करोड़¦1.52 करोड़⟧ किसानों को लाभ मिला, खर्च ⟦84 अरब रुपये¦48 अरब रुपये⟧ रहा, "
        "⟦16%¦61%⟧ अधिक।",
    ),
    "bn": Pair(
        "প্রকল্পে ৩ লাখ ৪০ হাজার পরিবার যুক্ত হয়েছে এবং ব্যয় ৫৬০ কোটি টাকা।",
        "⟦৩,৪০,০০০¦৪,৩০,০০০⟧ পরিবার যুক্ত হয়েছে, ব্যয় ⟦৫৬০ কোটি¦৬৫০ কোটি⟧ টাকা।",
    ),
    "zh": Pair(
        "截至2023年6月30日，公司员工总数为12.8万人，上半年营业收入3,045亿元，同比增长9.6%。董事长"
        "表示：“我们不会为了规模牺牲利润，也不会停止研发投入。”",
        "公司有⟦128,000¦182,000⟧名员工，营收⟦3045亿元¦3450亿元⟧，增长⟦9.6%¦6.9%⟧（⟦2023年6月30日¦"
        "2023年9月30日⟧）。董事长说：“我们不会为了规模牺牲⟦利润¦质量⟧，也不会停止研发投入。”",
    ),
    "zh 列表": Pair(
        "大桥全长55公里，总投资约1269亿元，设计使用寿命120年，2018年10月24日通车。",
        "- 全长：⟦55 km¦65 km⟧\n"
        "- 投资：⟦1,269亿元¦1,296亿元⟧\n"
        "- 寿命：⟦120年¦102年⟧\n"
        "- 通车：⟦2018-10-24¦2018-10-21⟧",
    ),
    "ja": Pair(
        "2022年度の売上高は前年比8.7％増の4兆3,210億円、従業員数は7万8,400人だった。社長は「安さ"
        "だけで選ばれる会社にはなりたくない」と述べた。",
        "売上高は⟦4.321兆円¦4.231兆円⟧（⟦8.7%¦7.8%⟧増）、従業員は⟦78,400人¦74,800人⟧。社長は「⟦安"
        "さ¦速さ⟧だけで選ばれる会社にはなりたくない」と語った。",
    ),
    "ja 日付": Pair(
        "同社は1987年4月1日に設立され、資本金は125億円、全国に342店舗を持つ。",
        "設立は⟦1987/4/1¦1987/7/1⟧、資本金⟦12,500百万円¦15,200百万円⟧、店舗数⟦342¦324⟧。",
    ),
    "ko": Pair(
        "회사는 2023년 매출 3조 4,500억 원, 영업이익 2,870억 원을 기록했으며 직원은 1만 "
        "2,300명이다.",
        "매출은 ⟦3.45조 원¦3.54조 원⟧, 영업이익은 ⟦2,870억 원¦2,780억 원⟧, 직원은 "
        "⟦12,300명¦13,200명⟧이다.",
    ),
    "th": Pair(
        "ในปี 2565 บริษัทมีรายได้ 45,600 ล้านบาท เพิ่มขึ้นร้อยละ 12.4 และมีพนักงาน 8,920 คน",
        "รายได้ ⟦45,600 ล้านบาท¦46,500 ล้านบาท⟧ เพิ่มขึ้น ⟦12.4%¦14.2%⟧ พนักงาน ⟦8,920¦9,820⟧ คน",
    ),
    "vi": Pair(
        "Năm 2022, công ty đạt doanh thu 15,3 nghìn tỷ đồng, tăng 18,5% và có 6.740 nhân viên "
        "tại 9 nước.",
        "Doanh thu ⟦15,3 nghìn tỷ đồng¦13,5 nghìn tỷ đồng⟧, tăng ⟦18,5 %¦15,8 %⟧, ⟦6.740¦7.640⟧ "
        "nhân viên.",
    ),
    "id": Pair(
        "Perusahaan membukukan pendapatan Rp 21,7 triliun pada 2023, naik 9,3 persen, dengan "
        "14.560 karyawan.",
        "Pendapatan ⟦Rp 21,7 triliun¦Rp 27,1 triliun⟧, naik ⟦9,3%¦3,9%⟧, karyawan ⟦14.560¦15.460⟧.",
    ),
    "de of en": Pair(
        "Founded on March 3, 2009, the start-up raised $142.5 million and employs 1,150 people "
        "in 8 cities.",
        "Das Start-up wurde am ⟦3. März 2009¦8. März 2009⟧ gegründet, hat ⟦142,5 Mio. "
        "Dollar¦124,5 Mio. Dollar⟧ erhalten und beschäftigt ⟦1.150¦1.510⟧ Menschen in ⟦8¦9⟧ "
        "Städten.",
    ),
    "en of ja": Pair(
        "2021年12月期の売上高は2,650億円、営業利益率は11.3％、海外店舗は1,207店。",
        "Sales for the year to December 2021 were ⟦¥265 billion¦¥256 billion⟧, with a margin of "
        "⟦11.3%¦13.1%⟧ and ⟦1,207¦1,270⟧ stores abroad.",
    ),
    "en of fr": Pair(
        "Le parc s'étend sur 12 500 hectares et a accueilli 1,75 million de visiteurs en 2019 ; "
        "le billet coûte 23,50 €.",
        "The park covers ⟦12,500¦15,200⟧ hectares, had ⟦1.75 million¦1.57 million⟧ visitors in "
        "2019 and charges ⟦€23.50¦€25.30⟧.",
    ),
    "en of in": Pair(
        "The scheme disbursed Rs 2.75 lakh crore to 9.8 crore farmers since 24 February 2019.",
        "It paid ⟦₹2.75 trillion¦₹2.57 trillion⟧ to ⟦98 million¦89 million⟧ farmers since ⟦24 "
        "February 2019¦14 February 2019⟧.",
    ),
    "en of ch": Pair(
        "Die Gemeinde hat 12'875 Einwohner auf 48.3 km² und einen Steuerfuss von 109%.",
        "It has ⟦12,875¦12,785⟧ inhabitants on ⟦48.3¦43.8⟧ km² and a tax rate of ⟦109 "
        "percent¦190 percent⟧.",
    ),
    "ru of en": Pair(
        "The line carries 210,000 passengers a day over 33.6 kilometres and cost €2.9 billion.",
        "Линия длиной ⟦33,6 км¦36,3 км⟧ перевозит ⟦210 тысяч¦120 тысяч⟧ человек в день и стоила "
        "⟦2,9 млрд евро¦9,2 млрд евро⟧.",
    ),
    "en compare": Pair(
        "Unemployment stood at 5.3% in Q2 2024 compared with 4.7% in Q2 2023; 1.41 million "
        "people were out of work.",
        "Unemployment rose from ⟦4.7¦4.2⟧ to ⟦5.3 per cent¦5.8 per cent⟧; about ⟦1.4 million¦1.6 "
        "million⟧ had no job.",
    ),
    "en ellipsis": Pair(
        "“We looked at every option, including the ones nobody likes, and in the end the board "
        "chose the least bad of them,” said chairman Theo van Aalst on Tuesday.",
        "Chairman ⟦Theo van Aalst¦Theo van Dijk⟧ said: “We looked at every option … and in the "
        "end the board chose the ⟦least bad¦very best⟧ of them.”",
    ),
    "en bounds": Pair(
        "The archive holds 3.2 million photographs, more than 400 hours of film and 87 diaries; "
        "64% is digitised.",
        "It has over ⟦3 million¦4 million⟧ photographs, over ⟦400 hours¦600 hours⟧ of film, "
        "⟦87¦78⟧ diaries; nearly two thirds (⟦64%¦46%⟧) is online.",
    ),
    "en years": Pair(
        "The patent was filed on 2011-08-02, granted in 2014 and expires after 20 years; 17 "
        "countries honour it.",
        "Filed on ⟦August 2, 2011¦August 12, 2011⟧ and granted in ⟦2014¦2015⟧, it lasts ⟦20 "
        "years¦25 years⟧ in ⟦17¦27⟧ countries.",
    ),
    "en temperature": Pair(
        "The reactor runs at 850 °C and 7 MPa; each batch of 250 kg takes 90 minutes and 1.6 MWh.",
        "It runs at ⟦850 °C¦850 °F⟧ with batches of ⟦250 kilograms¦520 kilograms⟧ that take ⟦90 "
        "min¦90 h⟧ and ⟦1.6 MWh¦1.6 GWh⟧.",
    ),
    "es de zh": Pair(
        "该矿年产铜45万吨，雇用6,300名工人，2016年投产。",
        "La mina produce ⟦450.000 toneladas¦540.000 toneladas⟧ de cobre al año, da trabajo a "
        "⟦6.300¦3.600⟧ personas y abrió en ⟦2016¦2018⟧.",
    ),
}

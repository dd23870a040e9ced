"""What an English news classifier has never seen: headlines of other languages, and what is no language at all."""

import random
import string
from collections.abc import Sequence

FOREIGN: dict[str, tuple[str, ...]] = {
    "Spanish": (
        "El Gobierno aprueba una subida del salario mínimo para el próximo año",
        "Miles de personas se manifiestan en Madrid contra la reforma de la sanidad pública",
        "La inflación cae por tercer mes consecutivo pese al alza de los alimentos",
        "Detenido un exalcalde por presunta corrupción en la adjudicación de contratos",
        "Trump amenaza con imponer nuevos aranceles a los productos mexicanos",
        "Un terremoto sacude la costa de Chile sin causar víctimas",
    ),
    "German": (
        "Bundestag beschließt Haushalt nach langer Debatte über die Schuldenbremse",
        "Tausende demonstrieren in Berlin gegen die geplante Rentenreform",
        "Bahn kündigt neue Streiks an: Reisende müssen mit Ausfällen rechnen",
        "Trump droht Europa mit Strafzöllen auf Autos",
        "Zahl der Arbeitslosen sinkt im November auf den niedrigsten Stand seit Jahren",
        "Unbekannte sprengen Geldautomaten in einem Einkaufszentrum",
    ),
    "French": (
        "Le Sénat adopte le projet de loi sur l'immigration après des débats houleux",
        "Grève des cheminots : un train sur deux circulera ce week-end",
        "Macron appelle à une réponse européenne face à la hausse des prix de l'énergie",
        "Un ancien ministre mis en examen pour détournement de fonds publics",
        "La justice ordonne la suspension des travaux de l'autoroute",
        "Incendie dans le sud de la France : plusieurs villages évacués",
    ),
    "Italian": (
        "Il governo approva la manovra, scontro in aula sulle pensioni",
        "Maltempo in Toscana, fiumi esondati e scuole chiuse",
        "Elezioni regionali, affluenza in calo rispetto a cinque anni fa",
        "Sciopero dei trasporti venerdì: le fasce orarie garantite",
        "Arrestato a Napoli un latitante ricercato da dieci anni",
        "La Banca centrale lascia i tassi invariati, Borse in rialzo",
    ),
    "Portuguese": (
        "Câmara aprova reforma tributária em segundo turno",
        "Chuvas deixam milhares de desabrigados no sul do país",
        "Lula anuncia novo pacote de investimentos para a educação",
        "Polícia Federal prende suspeitos de fraude em licitações",
        "Preço da gasolina sobe pela quarta semana seguida",
        "Presidente viaja a Lisboa para reunião com empresários",
    ),
    "Dutch": (
        "Kabinet trekt extra geld uit voor de bouw van nieuwe woningen",
        "Duizenden boeren protesteren met trekkers in Den Haag",
        "Man aangehouden na steekpartij in het centrum van Rotterdam",
        "Rechter verbiedt staking van het personeel op Schiphol",
        "Prijzen in de supermarkt stijgen opnieuw sneller dan verwacht",
    ),
    "Polish": (
        "Sejm przyjął ustawę budżetową po burzliwej debacie",
        "Tysiące osób protestowało w Warszawie przeciwko podwyżkom cen prądu",
        "Premier zapowiada zmiany w rządzie jeszcze w tym miesiącu",
        "Policja zatrzymała trzech podejrzanych o napad na bank",
        "Prezydent zawetował nowelizację ustawy o sądach",
        "Silny wiatr uszkodził dachy kilkudziesięciu domów",
    ),
    "Turkish": (
        "Meclis yeni bütçe yasasını oy çokluğuyla kabul etti",
        "İstanbul'da sağanak yağış hayatı olumsuz etkiledi",
        "Merkez Bankası faiz kararını açıkladı",
        "Cumhurbaşkanı yarın Brüksel'e gidiyor",
        "Deprem bölgesinde okullar bir hafta tatil edildi",
        "Eski bakan hakkında yolsuzluk soruşturması başlatıldı",
    ),
    "Swedish": (
        "Regeringen vill sänka skatten för pensionärer nästa år",
        "Tusentals hushåll utan ström efter stormen i natt",
        "Polisen misstänker mord efter fyndet i skogen utanför Uppsala",
        "Riksbanken lämnar räntan oförändrad trots lägre inflation",
        "Minister avgår efter avslöjanden om svarta löner",
    ),
    "Indonesian": (
        "Pemerintah menaikkan harga bahan bakar mulai pekan depan",
        "Banjir merendam ratusan rumah di Jakarta Timur",
        "Presiden melantik menteri baru di Istana Negara",
        "Polisi menangkap pelaku penipuan investasi daring",
        "Gempa mengguncang Sulawesi, warga berlarian keluar rumah",
    ),
    "Russian": (
        "Госдума приняла закон о бюджете во втором чтении",
        "В Москве ожидается сильный снегопад, водителей просят быть осторожнее",
        "Центробанк сохранил ключевую ставку на прежнем уровне",
        "Президент провёл переговоры с премьер-министром Индии",
        "Полиция задержала подозреваемых в ограблении ювелирного магазина",
        "Цены на нефть выросли после решения о сокращении добычи",
    ),
    "Chinese": (
        "国务院发布促进消费的二十条新措施",
        "外交部回应美国对华加征关税",
        "北京今冬首场降雪 部分高速公路封闭",
        "全国人大常委会审议修订后的教育法草案",
        "股市收盘小幅上涨 科技板块领涨",
        "警方破获特大电信诈骗案",
    ),
    "Arabic": (
        "البرلمان يوافق على الموازنة الجديدة بعد جلسة عاصفة",
        "ارتفاع أسعار النفط عقب قرار خفض الإنتاج",
        "الرئيس يستقبل وزير الخارجية الأمريكي في القاهرة",
        "السلطات تعتقل مشتبهين في قضية فساد كبرى",
        "زلزال يضرب جنوب البلاد دون وقوع ضحايا",
        "المعارضة تدعو إلى انتخابات مبكرة",
    ),
    "Hindi": (
        "संसद में नए बजट पर हंगामा, विपक्ष का वॉकआउट",
        "प्रधानमंत्री ने नई रेल परियोजना का उद्घाटन किया",
        "दिल्ली में प्रदूषण का स्तर फिर बढ़ा, स्कूल बंद",
        "पुलिस ने ठगी के आरोप में तीन लोगों को गिरफ्तार किया",
        "सुप्रीम कोर्ट ने चुनाव आयोग से जवाब मांगा",
    ),
    "Japanese": (
        "政府、物価高対策の補正予算案を閣議決定",
        "台風が九州に接近、各地で避難指示",
        "首相、来週にも米大統領と電話会談へ",
        "日銀が追加利上げを見送り 円安進む",
        "元市長を収賄の疑いで逮捕",
    ),
}  # fmt: skip
"""Written for these tests in the manner of each language's press; by language."""

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def foreign_titles() -> list[str]:
    """All of `FOREIGN`, one after the other."""
    return [title for titles in FOREIGN.values() for title in titles]


def random_letters(count: int, *, seed: int = 0) -> list[str]:
    """Words of letters drawn at random."""
    rng = random.Random(seed)
    return [" ".join(_letters(rng, string.ascii_lowercase, 2, 10) for _ in range(rng.randint(4, 12))) for _ in range(count)]  # fmt: skip


def keyboard_mash(count: int, *, seed: int = 0) -> list[str]:
    """What hands that stay on one row of a keyboard type."""
    rng = random.Random(seed)
    return [" ".join(_letters(rng, rng.choice(_ROWS), 3, 14) for _ in range(rng.randint(2, 8))) for _ in range(count)]  # fmt: skip


def shuffled_letters(titles: Sequence[str], *, seed: int = 0) -> list[str]:
    """Titles whose words keep their letters but not the order of them."""
    rng = random.Random(seed)
    return [" ".join("".join(rng.sample(word, len(word))) for word in title.split()) for title in titles]


def random_tokens(count: int, *, seed: int = 0) -> list[str]:
    """Codes of letters, digits and signs."""
    rng = random.Random(seed)
    signs = string.ascii_letters + string.digits + "#$%&*+-_=@"
    return [" ".join(_letters(rng, signs, 3, 12) for _ in range(rng.randint(3, 10))) for _ in range(count)]


def gibberish(titles: Sequence[str], *, seed: int = 0) -> dict[str, list[str]]:
    """As many of each kind as there are titles; by kind."""
    return {
        "random letters": random_letters(len(titles), seed=seed),
        "keyboard mash": keyboard_mash(len(titles), seed=seed),
        "shuffled letters": shuffled_letters(titles, seed=seed),
        "random tokens": random_tokens(len(titles), seed=seed),
    }


def _letters(rng: random.Random, alphabet: str, shortest: int, longest: int) -> str:
    return "".join(rng.choices(alphabet, k=rng.randint(shortest, longest)))

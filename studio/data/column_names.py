"""Names that people give to columns of questions and answers, in the languages they speak."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

MESSAGES = ("messages", "conversations", "conversation", "turns", "dialogue", "dialog", "chat", "chats", "history")

SPEAKER_WORDS = frozenset(
    ("user", "human", "assistant", "bot", "gpt", "model", "nutzer", "utilisateur", "usuario", "utente")
)
"""Names of columns that may as well be the speaker's name, or stand in a row of a table of turns."""

INSTRUCTIONS = ("instruction", "instructions", "anweisung", "consigne", "instruccion", "istruzione", "instrucao")

PROMPTS = (
    *("question", "prompt", "instruction", "instructions", "query", "user", "human", "user_message", "user_prompt"),
    *("user_input", "problem", "task", "request", "questions", "prompts", "q", "source", "input", "inputs", "ask"),
    *("frage", "fragen", "anweisung", "anfrage", "aufgabe", "eingabe", "nutzer", "kundenfrage", "aufforderung"),
    *("question_posee", "consigne", "demande", "requete", "entree", "probleme", "utilisateur"),
    *("pregunta", "preguntas", "consulta", "instruccion", "entrada", "solicitud", "usuario", "problema"),
    *("pergunta", "perguntas", "instrucao", "domanda", "domande", "istruzione", "richiesta", "utente"),
    *("vraag", "vragen", "opdracht", "pytanie", "pytania", "fraga", "fragor", "sporsmal", "sporgsmal", "kysymys"),
    *("soru", "otazka", "kerdes", "intrebare", "вопрос", "запрос", "питання", "问题", "問題", "提问", "指令", "質問"),
    *("질문", "سؤال", "السؤال", "שאלה", "प्रश्न", "ερωτηση", "cau_hoi", "pertanyaan"),
)

COMPLETIONS = (
    *("answer", "completion", "response", "output", "outputs", "reply", "assistant", "answers", "completions"),
    *("responses", "assistant_message", "assistant_response", "target", "targets", "solution", "ground_truth", "gold"),
    *("expected", "expected_answer", "ideal", "gpt", "bot", "result", "a"),
    *("antwort", "antworten", "ausgabe", "losung", "loesung", "erwiderung", "musterantwort", "ergebnis"),
    *("reponse", "reponses", "sortie", "resultat"),
    *("respuesta", "respuestas", "salida", "contestacion", "solucion", "resultado"),
    *("resposta", "respostas", "saida", "risposta", "risposte", "soluzione", "risultato", "uscita"),
    *("antwoord", "antwoorden", "odpowiedz", "odpowiedzi", "svar", "vastaus", "cevap", "yanit", "odpoved", "valasz"),
    *("raspuns", "ответ", "відповідь", "回答", "答案", "输出", "答え", "回复", "답변", "대답", "جواب", "إجابة"),
    *("الإجابة", "תשובה", "उत्तर", "απαντηση", "tra_loi", "cau_tra_loi", "jawaban"),
)

DIGESTS = (
    *("summary", "summaries", "highlights", "tldr", "tl_dr", "synopsis", "gist", "abstractive_summary", "key_points"),
    *("impression", "impressions", "minutes"),
    *("zusammenfassung", "kurzfassung", "beurteilung", "protokoll", "resumen", "sintesis", "résumé", "synthese"),
    *("resumo", "riassunto", "sommario", "sintesi", "samenvatting", "streszczenie", "podsumowanie", "sammanfattning"),
    *("sammendrag", "tiivistelma", "ozet", "shrnuti", "osszefoglalo", "rezumat", "краткое_содержание", "резюме"),
    *("摘要", "总结", "概要", "要約", "요약", "ملخص", "תקציר", "सारांश"),
)
"""What is shorter than the text that it tells again: the answer, with that text as the question."""
RETELLINGS = (
    *("simplified", "simplification", "rewritten", "rewrite", "paraphrase", "corrected", "correction", "translation"),
    *("translated", "vereinfacht", "vereinfachung", "umformuliert", "umschreibung", "korrigiert", "korrektur"),
    *("ubersetzung", "uebersetzung", "traduction", "simplifie", "traduccion", "simplificado", "traduzione", "traducao"),
    *("vertaling", "tlumaczenie", "перевод", "翻译", "翻訳", "번역"),
)
"""Another text said anew, as long as it: the answer, with that text as the question."""
_ANSWER_PARTS = ("antwort", "zusammenfassung", "kurzfassung", "antwoord", "samenvatting")
_NO_ANSWER = ("datum", "zeit", "nr", "nummer", "id", "typ", "art", "status", "kanal", "von", "laenge", "lange")

CONTEXTS = (
    *("context", "input", "passage", "background", "document", "paragraph", "article", "reference", "contexts"),
    *("kontext", "hintergrund", "eingabe", "contexte", "entree", "passage", "contexto", "entrada", "contesto"),
    *("zusatz", "上下文", "输入", "контекст"),
)

SYSTEMS = (
    "system",
    "system_prompt",
    "systemprompt",
    "system_message",
    "persona",
    "systemnachricht",
    "systeme",
    "sistema",
)

CHOSEN = (
    *("chosen", "preferred", "accepted", "chosen_response", "response_chosen", "better", "winner", "better_answer"),
    *("bevorzugt", "bessere_antwort", "besser", "choisi", "elegido", "scelto"),
)
REJECTED = (
    *("rejected", "dispreferred", "declined", "rejected_response", "response_rejected", "worse", "loser"),
    *("worse_answer", "abgelehnt", "schlechtere_antwort", "schlechter", "rejete", "rechazado", "rifiutato"),
)
JUDGEMENTS = (
    *("helpful", "useful", "correct", "accepted", "approved", "verdict", "quality", "review", "stars", "reward", "ok"),
    *("hilfreich", "nuetzlich", "korrekt", "richtig", "freigegeben", "qualitaet", "utile", "util", "评价", "評価"),
)
"""What may say how good an answer is, and may as well tell something else: never read as a label, only asked about."""
JUDGED = (
    (
        frozenset(("good", "gut", "bon", "bueno", "良い", "好")),
        frozenset(("bad", "schlecht", "mauvais", "malo", "悪い", "坏")),
    ),
    (frozenset(("correct", "right", "richtig", "korrekt")), frozenset(("incorrect", "wrong", "falsch"))),
    (frozenset(("approved", "accepted")), frozenset(("rejected", "declined"))),
    (frozenset(("pass", "passed")), frozenset(("fail", "failed"))),
    (frozenset(("helpful", "useful")), frozenset(("unhelpful", "not_helpful", "useless"))),
)
"""Values that praise, and those that blame."""
LABELS = (
    *("label", "labels", "kto_tag", "desirable", "is_desirable", "good", "is_good", "thumbs_up", "thumbs"),
    *("feedback", "rating", "rated", "liked", "is_correct", "score", "vote", "bewertung", "gut", "note", "avis"),
    *("valoracion", "calificacion", "valutazione", "avaliacao", "beoordeling", "ocena"),
)
TEXTS = (
    *("text", "texts", "content", "contents", "document", "body", "article", "story", "raw_content", "page_content"),
    *("markdown", "paragraph", "passage", "sentence", "chapter", "code", "lyrics", "poem"),
    *("inhalt", "absatz", "dokument", "artikel", "satz", "kapitel", "texte", "contenu", "texto", "contenido", "testo"),
    *("contenuto", "tekst", "текст", "文本", "内容", "正文", "テキスト", "본문", "텍스트", "نص", "טקסט"),
)
TITLES = (
    *(
        "title",
        "titel",
        "titre",
        "titulo",
        "titolo",
        "heading",
        "headline",
        "name",
        "filename",
        "file",
        "path",
        "source",
    ),
    *("author", "autor", "url", "link", "id", "date", "datum", "lang", "language", "meta", "metadata", "license"),
    *("subset", "split", "topic", "tags", "category", "kategorie"),
)
"""What goes with a text and is not learned."""
CLASSES = (
    *("label", "labels", "label_text", "class", "category", "sentiment", "topic", "emotion", "intent", "department"),
    *(
        "is_spam",
        "spam",
        "priority",
        "classification",
        "klasse",
        "kategorie",
        "abteilung",
        "stimmung",
        "thema",
        "categorie",
        "categoria",
    ),
)
"""One of a few words, for each text: an answer that is learned as it stands."""
SPEAKERS = ("role", "speaker", "sender", "from", "author_role", "rolle", "sprecher", "absender")
"""Who says what the row holds: one turn a row."""
TURN_TEXTS = (
    *("content", "text", "message", "value", "utterance", "body", "message_text", "said", "nachricht", "inhalt"),
    *("text_der_nachricht", "mensaje", "contenido", "texte", "contenu", "texto", "testo", "messaggio", "mensagem"),
)
"""What is said in a turn, where each row is one."""
CONVERSATIONS = (
    *("conversation_id", "conversation", "conv_id", "dialogue_id", "dialog_id", "chat_id", "thread_id", "session_id"),
    *("dialogue", "dialog", "chat", "thread", "session", "ticket_id", "ticket", "ticket_number", "case_id", "case"),
    *("call_id", "gesprach", "gesprach_id", "gespraech", "gespraech_id", "unterhaltung", "unterhaltung_id", "vorgang"),
    *("vorgangsnummer", "ticketnummer", "fall", "fall_id", "conversacion", "conversacion_id", "conversazione", "id"),
)
"""To which conversation a turn belongs, where each row is one."""
TOOLS = ("tools", "functions", "available_tools", "tool_definitions", "tool_list")
HISTORIES = ("history", "chat_history", "previous_turns", "verlauf", "historique", "historial", "cronologia")
REASONINGS = ("reasoning", "reasoning_content", "thinking", "thoughts", "chain_of_thought", "cot")
"""What was thought before the answer."""
INSTANCES = ("instances", "instanzen")

_SIDE_MATTERS = frozenset(
    (
        "id",
        "idx",
        "index",
        "no",
        "nr",
        "number",
        "type",
        "date",
        "url",
        "lang",
        "language",
        "category",
        "score",
        "count",
        "email",
        "mail",
        "phone",
        "telefon",
    )
)
_ASIDE = frozenset(
    (
        *("time", "zeit", "uhrzeit", "datum", "timestamp", "heure", "fecha", "hora", "ora"),
        *("status", "state", "statut", "etat", "estado", "stato", "rating", "bewertung", "quality"),
        *("length", "laenge", "tokens", "votes", "upvotes", "likes", "views", "tags", "points", "punkte", "marks"),
    )
)
"""What is told about a question or an answer: "Response time", "answer_status"."""
_OFTEN_ASIDE = frozenset(("source", "quelle", "author", "autor", "name", "channel", "kanal", "file"))
"""The same where other columns bear the name, too: "answer_source" beside "answer_text", but not "Author response"."""
_WRONG = frozenset(
    (
        *("wrong", "incorrect", "false", "bad", "worse", "worst", "distractor", "falsch", "falsche", "falscher"),
        *("schlecht", "schlechte", "schlechter", "schlechtere", "fausse", "mauvaise", "incorrecte", "incorrecta"),
        *("sbagliata", "errata", "errada", "yanlis"),
    )
)
_TAGS = frozenset("abcdef")
_EITHER = frozenset(("or", "oder", "ou", "true", "right", "correct", "richtig", "vrai", "wahr"))
"""Beside a wrong one: the answer is one of both."""


def plain(name: str) -> str:
    """Lower case, without accents, words joined by underscores: `Réponse (FR)` becomes `reponse_fr`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    decomposed = unicodedata.normalize("NFKD", spaced)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", bare).casefold()).strip("_")


def find_whole(columns: list[str], names: tuple[str, ...], taken: tuple[str, ...] = ()) -> str:
    """The column whose whole name is one of these, the earlier the better; "" where none is."""
    free = {plain(column): column for column in reversed(columns) if column not in taken}
    return next((free[bare] for name in names if (bare := plain(name)) in free), "")


def find(columns: list[str], names: tuple[str, ...], taken: tuple[str, ...] = (), later: Collection[str] = ()) -> str:
    """The column that bears one of these names, whole or (less likely) as one of its words; "" where none does.

    Args:
        columns: As the file names them.
        names: The better, the earlier.
        taken: Columns that are something else already.
        later: Columns of which a word counts only where no other column has one, as it does where the name says that
            something about it is told ("Response time"); where both hold, it never counts.

    Of several columns with the same word, those that are choices ("Answer A", "Answer B") or tell where something is
    from come last.
    """
    whole = find_whole(columns, names, taken)
    if whole:
        return whole
    free = {column: plain(column).split("_") for column in columns if column not in taken}
    seconds = _choices(free) | {column for column, words in free.items() if _OFTEN_ASIDE.intersection(words)}
    order = sorted(free, key=lambda column: column in seconds)  # as the file has them, but for these
    for is_late in (False, True):
        for name in map(plain, names):
            for column in order if len(name) > 2 else ():
                words = free[column]
                aside = bool(_ASIDE.intersection(words) - {name})
                doubts = aside + (column in later)
                if name in words and doubts == int(is_late) and not _SIDE_MATTERS.intersection(words):
                    return column
    return ""


def _choices(columns: dict[str, list[str]]) -> set[str]:
    """Those that a letter at their end tells apart, of all columns with the words of their names."""
    stems = Counter(tuple(words[:-1]) for words in columns.values() if words[-1] in _TAGS)
    return {name for name, words in columns.items() if words[-1] in _TAGS and stems[tuple(words[:-1])] > 1}


def wrong(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns whose names say that what they hold is not to be given as an answer."""
    words = {column: plain(column).split("_") for column in columns}
    return tuple(
        column for column, these in words.items() if _WRONG.intersection(these) and not _EITHER.intersection(these)
    )


def find_compound(columns: list[str], taken: tuple[str, ...] = ()) -> str:
    """The column in whose name an answer is part of a longer word, as in "Antwortmail"; "" where there is none."""
    for column in columns:
        for word in () if column in taken else plain(column).split("_"):
            for part in _ANSWER_PARTS:
                _, found, after = word.partition(part)
                if found and not after.removeprefix("en").removeprefix("s").startswith(_NO_ANSWER):
                    return column
    return ""


_ROLES = (
    MESSAGES,
    INSTRUCTIONS,
    PROMPTS,
    COMPLETIONS,
    SYSTEMS,
    CHOSEN,
    REJECTED,
    LABELS,
    TEXTS,
    CLASSES,
    HISTORIES,
    DIGESTS,
)
_KNOWN = frozenset(plain(name) for names in _ROLES for name in names)


def is_known(name: str) -> bool:
    """Whether a column of this name, and nothing else, would be taken for something."""
    return plain(name) in _KNOWN


def is_side_matter(name: str) -> bool:
    """Whether a name says that its column holds no text to learn: an id, a date, a number."""
    if plain(name) in ("email", "mail"):
        return False  # the mail itself; what says more (user_email) is an address
    return plain(name).rpartition("_")[2] in _SIDE_MATTERS | {"timestamp", "uuid", "guid", "datum", "uhrzeit"}


def numbered(place: int) -> str:
    """The name of a column that has none.

    Args:
        place: From 1.
    """
    return f"column {place}"


def are_numbered(names: Sequence[str]) -> bool:
    """Whether the names are all of our making: the file itself names no column."""
    return bool(names) and all(_NUMBERED.fullmatch(name) for name in names)


_NUMBERED = re.compile(r"column [1-9][0-9]*")

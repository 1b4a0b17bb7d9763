//! The words and phrases of each language that say something about a sentence. All are in lower
//! case.

/// The words and phrases of one language.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phrases {
    /// First words of a sentence that stand for something in an earlier sentence.
    pub pronouns: &'static [&'static str],
    /// First words of a sentence that connect it with the sentence before it.
    pub connectives: &'static [&'static str],
    /// Words after "this" that mean the text itself or its day. A sentence that opens so is not a
    /// dependent sentence.
    pub present: &'static [&'static str],
    /// Words of the first person.
    pub first_person: &'static [&'static str],
    /// Cue phrases, which announce something important.
    pub cues: &'static [&'static str],
    /// Stigma phrases, which mark an aside, chatter, or the page around the text.
    pub stigmas: &'static [&'static str],
    /// Stop words that the usual lists lack: sounds of speech and parts of contractions.
    pub fillers: &'static [&'static str],
    /// The beginnings of lines that belong to the page around the text.
    pub furniture: &'static [&'static str],
}

/// The beginnings of page furniture that occur in all languages.
pub(super) const FURNITURE: [&str; 8] = ["©", "(c) ", "copyright", "e-mail:", "email:", "tel:", "http://", "https://"];

pub(super) fn of(code: &str) -> Phrases {
    match code {
        "en" => ENGLISH,
        "fr" => FRENCH,
        "de" => GERMAN,
        "es" => SPANISH,
        "it" => ITALIAN,
        "pt" => PORTUGUESE,
        "nl" => DUTCH,
        "ru" => RUSSIAN,
        "vi" => VIETNAMESE,
        _ => Phrases::default(),
    }
}

const ENGLISH: Phrases = Phrases {
    pronouns: &[
        "he", "she", "it", "they", "him", "her", "them", "his", "hers", "its", "their", "theirs", "this", "that", "these", "those", "such",
        "he's", "she's", "it's", "they're", "that's", "both", "neither", "the former", "the latter", "one of them", "some of them",
        "the same", "others", "another",
    ],
    connectives: &[
        "but", "and", "or", "nor", "so", "yet", "however", "then", "also", "still", "thus", "therefore", "hence", "instead", "meanwhile",
        "moreover", "furthermore", "nevertheless", "nonetheless", "besides", "otherwise", "consequently", "accordingly", "additionally",
        "similarly", "likewise", "conversely", "afterwards", "afterward", "later", "indeed", "rather", "too", "as a result", "in addition",
        "in contrast", "on the other hand", "on the contrary", "for example", "for instance", "for this reason", "because of this",
        "after that", "in turn", "in fact", "that said", "at the same time", "even so", "as such", "in other words", "by contrast",
        "because", "secondly", "thirdly",
    ],
    present: &[
        "paper", "article", "work", "study", "report", "thesis", "survey", "chapter", "book", "guide", "document", "page", "letter",
        "review", "tutorial", "manuscript", "proposal", "agreement", "notice", "project", "year", "week", "month", "morning", "summer",
        "winter", "spring",
    ],
    first_person: &["i", "me", "my", "mine", "myself", "i'm", "i've", "i'd", "i'll"],
    cues: &[
        "we propose", "we present", "we introduce", "we show", "we develop", "we describe", "we demonstrate", "we find that",
        "we found that", "we study", "we explore", "we address", "we derive", "here we", "introduces", "presents", "a new",
        "we investigate", "we argue", "we prove", "we conclude", "we report", "we provide", "this paper", "this work", "this study",
        "this article", "this report", "in this paper", "in this work", "in this study", "is proposed", "are proposed", "is presented",
        "results suggest", "results indicate", "our findings", "findings suggest", "in conclusion", "to conclude", "in summary",
        "to summarize", "to sum up", "overall", "the main", "the aim", "the goal", "the purpose", "the key", "most important",
        "importantly", "significantly", "the group agreed", "the team agreed", "decided to", "agreed to", "agreed that", "we decided",
        "action item", "conclude that", "concluded that", "announced", "is expected to", "novel", "for the first time",
        "according to a new",
    ],
    stigmas: &[
        "for example", "for instance", "e.g.", "such as", "see section", "see figure", "see table", "see also", "click", "read more",
        "scroll down", "yeah", "okay", "uh", "um", "mm-hmm", "you know", "i mean", "i think", "i guess", "sort of", "kind of",
        "by the way", "thank you", "in parentheses", "as mentioned", "as noted above", "he said", "she said", "they said", "he added",
        "she added", "he told", "she told", "told reporters", "mr", "mrs", "ms", "source code", "code is available", "publicly available",
        "github", "photo", "pictured", "gonna", "wanna", "hmm",
    ],
    fillers: &[
        "uh", "um", "umm", "uhm", "er", "erm", "mm", "mmm", "mm-hmm", "hmm", "huh", "oh", "ah", "yeah", "yep", "yes", "okay", "ok",
        "alright", "right", "cuz", "gonna", "wanna", "gotta", "kinda", "stuff", "thing", "things", "well", "like", "ve", "re", "ll",
        "would", "could", "also", "really", "actually", "basically", "maybe", "let", "got", "get", "going", "go", "say", "said", "says",
        "one",
    ],
    furniture: &[
        "published:", "updated:", "last updated", "posted:", "created:", "modified:", "by the associated press", "scroll down",
        "read more", "read also", "read the full", "see also", "click here", "click to", "share this", "share on", "follow us", "follow @",
        "sign up", "subscribe", "advertisement", "photo:", "photograph:", "photo by", "picture:", "image:", "image credit", "credit:",
        "source:", "caption:", "video:", "watch:", "listen:", "all rights reserved", "related:", "related articles", "tags:",
        "filed under", "comments", "leave a comment", "continue reading", "more on this", "editor's note", "reporting by", "editing by",
        "written by", "this story has been updated", "cookie", "terms of use", "privacy policy", "unsubscribe", "sent from my",
        "view this email", "skip to", "back to top", "table of contents", "page ", "fig.", "figure ", "loading", "download our",
        "get the latest", "share", "print this", "the video will start",
    ],
};

const FRENCH: Phrases = Phrases {
    pronouns: &[
        "il", "elle", "ils", "elles", "ce", "c'est", "c'était", "cela", "ceci", "ça", "celui-ci", "celle-ci", "ceux-ci", "celles-ci",
        "celui", "celle", "ceux", "celles", "cet", "cette", "ces", "son", "sa", "ses", "leur", "leurs", "lui", "eux", "tous deux",
        "ce dernier", "cette dernière", "ces derniers", "ces dernières", "y", "en effet", "d'autres",
    ],
    connectives: &[
        "mais", "et", "ou", "or", "donc", "car", "ni", "cependant", "toutefois", "pourtant", "néanmoins", "ainsi", "aussi", "puis",
        "ensuite", "enfin", "alors", "en revanche", "par ailleurs", "de plus", "en outre", "d'ailleurs", "du coup", "de même",
        "au contraire", "par exemple", "par conséquent", "c'est pourquoi", "d'autre part", "de son côté", "de leur côté",
        "dans le même temps", "en conséquence", "résultat", "après cela", "depuis", "une semaine plus tard", "sinon", "quant à", "là",
        "parmi eux", "parmi elles", "et pour cause", "auparavant",
    ],
    present: &["article", "année", "semaine", "étude", "été", "mois-ci", "matin", "rapport"],
    first_person: &["je", "on", "j", "moi", "me", "mon", "ma", "mes", "j'ai", "j'étais", "j'avais"],
    cues: &[
        "nous proposons", "nous présentons", "nous montrons", "cet article", "cette étude", "en conclusion", "en résumé", "au total",
        "l'objectif", "le but", "les résultats", "selon une étude", "a annoncé", "ont annoncé", "a indiqué", "a été condamné",
        "pour la première fois", "a décidé", "a ouvert une enquête", "est mort", "est décédé",
    ],
    stigmas: &[
        "par exemple", "voir aussi", "lire aussi", "à lire", "cliquez", "cliquer ici", "voir la section", "voir la figure", "euh",
        "tu sais", "vous savez", "je pense", "je crois", "bien sûr", "a-t-il", "a-t-elle", "ont-ils", "m.", "mme", "ajoute-t-il",
        "ajoute-t-elle", "poursuit-il", "poursuit-elle",
    ],
    fillers: &[
        "euh", "ben", "bah", "oui", "non", "ok", "très", "plus", "aussi", "être", "avoir", "fait", "faire", "dit", "si", "comme", "tout",
        "tous", "toute", "toutes", "cette", "ça", "cela", "ceux", "celle", "selon", "après", "alors", "où", "quand", "dont", "sans",
        "sous", "deux", "entre", "chez", "encore", "peu", "bien",
    ],
    furniture: &[
        "publié le", "mis à jour", "à lire aussi", "lire aussi", "lire la suite", "voir aussi", "cliquez", "partager", "suivez",
        "abonnez-vous", "inscrivez-vous", "crédit photo", "crédits", "photo :", "photo:", "source :", "vidéo :", "publicité",
        "tous droits réservés", "par la rédaction", "avec afp",
    ],
};

const GERMAN: Phrases = Phrases {
    pronouns: &[
        "er", "sie", "es", "dies", "dieser", "diese", "dieses", "diesem", "diesen", "sein", "seine", "seinen", "seinem", "seiner", "ihr",
        "ihre", "ihren", "ihrem", "ihrer", "ihm", "ihn", "ihnen", "jener", "jene", "jenes", "solche", "solcher", "solches", "letzterer",
        "letztere", "letzteres", "ersterer", "erstere", "beide", "derselbe", "dieselbe", "deren", "dessen", "das ist", "das war",
    ],
    connectives: &[
        "aber", "und", "oder", "doch", "jedoch", "dennoch", "deshalb", "daher", "darum", "deswegen", "also", "außerdem", "zudem", "dann",
        "danach", "dabei", "dadurch", "damit", "daneben", "dagegen", "dafür", "dazu", "daraus", "darin", "darauf", "darüber", "davon",
        "dort", "hier", "hierbei", "hierzu", "hierfür", "hierdurch", "so", "somit", "trotzdem", "ebenso", "auch", "ferner", "weiterhin",
        "schließlich", "stattdessen", "zum beispiel", "beispielsweise", "im gegensatz dazu", "andererseits", "allerdings", "hingegen",
        "folglich", "anschließend", "später", "denn", "nun", "daraufhin", "infolgedessen", "des weiteren", "darunter", "dahinter", "davor",
    ],
    present: &["artikel", "arbeit", "studie", "bericht", "buch", "jahr", "woche", "seite"],
    first_person: &["ich", "mich", "mir", "mein", "meine", "meinen", "meiner", "meinem"],
    cues: &[
        "wir schlagen", "wir zeigen", "wir stellen", "diese arbeit", "dieser artikel", "diese studie", "ergebnisse zeigen",
        "zusammenfassend", "insgesamt", "im ergebnis", "das ziel", "der wichtigste", "die wichtigste", "das wichtigste", "am wichtigsten",
        "gab bekannt", "zum ersten mal", "erstmals", "bezeichnet", "besteht aus", "gehört zu", "ist eine", "ist ein", "sind eine",
    ],
    stigmas: &[
        "zum beispiel", "z. b.", "z.b.", "beispielsweise", "siehe auch", "siehe abschnitt", "klicken", "mehr lesen", "weiterlesen", "äh",
        "ähm", "übrigens", "ich glaube", "ich denke",
    ],
    fillers: &[
        "äh", "ähm", "ja", "nein", "ok", "mal", "halt", "wurde", "wurden", "worden", "sowie", "etwa", "bzw", "mehr", "seit", "zwei",
        "gibt", "bereits",
    ],
    furniture: &[
        "veröffentlicht", "aktualisiert", "stand:", "mehr lesen", "weiterlesen", "lesen sie auch", "siehe auch", "klicken sie", "teilen",
        "folgen sie", "abonnieren", "foto:", "bild:", "quelle:", "video:", "anzeige", "alle rechte vorbehalten", "zum thema",
    ],
};

const SPANISH: Phrases = Phrases {
    pronouns: &[
        "él", "ella", "ellos", "ellas", "esto", "eso", "este", "esta", "estos", "estas", "ese", "esa", "esos", "esas", "aquel", "aquella",
        "su", "sus", "ambos", "ambas", "lo mismo", "dicho", "dicha",
    ],
    connectives: &[
        "pero", "y", "o", "sino", "sin embargo", "no obstante", "además", "también", "así", "luego", "después", "entonces", "por eso",
        "por lo tanto", "por tanto", "por el contrario", "en cambio", "por ejemplo", "asimismo", "mientras tanto", "aun así", "de hecho",
        "en consecuencia", "por otra parte", "por otro lado", "ahora bien", "pues", "tampoco", "finalmente",
    ],
    present: &["artículo", "trabajo", "estudio", "informe", "año", "semana", "libro", "documento"],
    first_person: &["yo", "me", "mi", "mis", "mí"],
    cues: &[
        "proponemos", "presentamos", "mostramos", "este artículo", "este trabajo", "este estudio", "los resultados", "en conclusión",
        "en resumen", "el objetivo", "lo más importante", "anunció", "por primera vez", "acordó", "decidió",
    ],
    stigmas: &[
        "por ejemplo", "véase", "ver también", "haga clic", "leer más", "eh", "o sea", "por cierto", "creo que",
    ],
    fillers: &[],
    furniture: &[
        "publicado",
        "actualizado",
        "leer más",
        "lea también",
        "ver también",
        "haga clic",
        "comparte",
        "compartir",
        "síguenos",
        "suscríbete",
        "foto:",
        "imagen:",
        "fuente:",
        "vídeo:",
        "video:",
        "publicidad",
        "todos los derechos reservados",
    ],
};

const ITALIAN: Phrases = Phrases {
    pronouns: &[
        "egli", "ella", "lui", "lei", "esso", "essa", "essi", "esse", "loro", "questo", "questa", "questi", "queste", "quello", "quella",
        "quelli", "quelle", "ciò", "suo", "sua", "suoi", "sue", "entrambi", "entrambe", "quest'ultimo", "quest'ultima", "tale", "tali",
    ],
    connectives: &[
        "ma", "e", "ed", "o", "però", "tuttavia", "inoltre", "anche", "così", "poi", "dopo", "quindi", "dunque", "perciò", "pertanto",
        "infatti", "invece", "per esempio", "ad esempio", "nel frattempo", "comunque", "allora", "al contrario", "d'altra parte", "infine",
        "di conseguenza",
    ],
    present: &["articolo", "lavoro", "studio", "rapporto", "anno", "settimana", "libro"],
    first_person: &["io", "mi", "me", "mio", "mia", "miei", "mie"],
    cues: &[
        "proponiamo", "presentiamo", "mostriamo", "questo articolo", "questo lavoro", "questo studio", "i risultati", "in conclusione",
        "in sintesi", "l'obiettivo", "ha annunciato", "per la prima volta", "ha deciso",
    ],
    stigmas: &[
        "per esempio", "ad esempio", "vedi anche", "clicca", "leggi anche", "leggi tutto", "ehm", "cioè", "a proposito", "credo che",
    ],
    fillers: &[],
    furniture: &[
        "pubblicato", "aggiornato", "leggi anche", "leggi tutto", "vedi anche", "clicca", "condividi", "seguici", "iscriviti", "foto:",
        "immagine:", "fonte:", "video:", "pubblicità", "tutti i diritti riservati",
    ],
};

const PORTUGUESE: Phrases = Phrases {
    pronouns: &[
        "ele", "ela", "eles", "elas", "isto", "isso", "aquilo", "este", "esta", "estes", "estas", "esse", "essa", "esses", "essas",
        "aquele", "aquela", "seu", "sua", "seus", "suas", "ambos", "ambas", "tal", "tais", "o mesmo",
    ],
    connectives: &[
        "mas", "e", "ou", "porém", "contudo", "todavia", "entretanto", "no entanto", "além disso", "também", "assim", "depois", "então",
        "portanto", "por isso", "pelo contrário", "por exemplo", "enquanto isso", "ainda assim", "de fato", "logo", "por outro lado", "já",
        "em seguida",
    ],
    present: &["artigo", "trabalho", "estudo", "relatório", "ano", "semana", "livro"],
    first_person: &["eu", "me", "mim", "meu", "minha", "meus", "minhas"],
    cues: &[
        "propomos", "apresentamos", "mostramos", "este artigo", "este trabalho", "este estudo", "os resultados", "em conclusão",
        "em resumo", "o objetivo", "anunciou", "pela primeira vez", "decidiu",
    ],
    stigmas: &[
        "por exemplo", "ver também", "veja também", "clique", "leia mais", "né", "acho que", "aliás",
    ],
    fillers: &[],
    furniture: &[
        "publicado", "atualizado", "leia mais", "leia também", "veja também", "clique", "compartilhe", "siga", "assine", "foto:",
        "imagem:", "fonte:", "vídeo:", "publicidade", "todos os direitos reservados",
    ],
};

const DUTCH: Phrases = Phrases {
    pronouns: &[
        "hij", "zij", "ze", "het is", "het was", "dit", "dat", "deze", "die", "zijn", "haar", "hun", "hen", "hem", "beide", "beiden",
        "zulke", "laatstgenoemde",
    ],
    connectives: &[
        "maar", "en", "of", "dus", "echter", "toch", "ook", "daarom", "daardoor", "daarnaast", "daarna", "daarbij", "daarmee", "bovendien",
        "verder", "vervolgens", "dan", "toen", "zo", "bijvoorbeeld", "intussen", "ondertussen", "desondanks", "niettemin", "integendeel",
        "daarentegen", "hierdoor", "hierbij", "want", "later", "tenslotte",
    ],
    present: &["artikel", "onderzoek", "studie", "rapport", "jaar", "week", "boek"],
    first_person: &["ik", "mij", "me", "mijn"],
    cues: &[
        "wij stellen", "we stellen", "we tonen", "dit artikel", "dit onderzoek", "deze studie", "resultaten tonen", "kortom",
        "samenvattend", "concluderend", "het doel", "de belangrijkste", "het belangrijkste", "voor het eerst", "maakte bekend", "besloot",
        "besloten",
    ],
    stigmas: &[
        "bijvoorbeeld", "zie ook", "klik", "lees meer", "lees verder", "eh", "trouwens", "ik denk", "ik vind",
    ],
    fillers: &[],
    furniture: &[
        "gepubliceerd", "bijgewerkt", "lees ook", "lees meer", "lees verder", "zie ook", "klik", "deel", "volg ons", "foto:", "beeld:",
        "bron:", "video:", "advertentie", "alle rechten voorbehouden",
    ],
};

const RUSSIAN: Phrases = Phrases {
    pronouns: &[
        "он", "она", "оно", "они", "его", "её", "ее", "их", "ему", "ей", "им", "это", "этот", "эта", "эти", "этого", "этому", "этим",
        "тот", "та", "те", "такой", "такая", "такие", "оба", "обе", "последний",
    ],
    connectives: &[
        "но",
        "и",
        "а",
        "или",
        "однако",
        "также",
        "тоже",
        "поэтому",
        "потому",
        "затем",
        "потом",
        "тогда",
        "кроме того",
        "более того",
        "тем не менее",
        "между тем",
        "таким образом",
        "так",
        "например",
        "впрочем",
        "зато",
        "при этом",
        "в результате",
        "в частности",
        "с другой стороны",
        "напротив",
        "следовательно",
        "итак",
        "после этого",
    ],
    present: &["статья", "статье", "работа", "работе", "исследование", "отчёт", "книга"],
    first_person: &["я", "меня", "мне", "мной", "мой", "моя", "моё", "мои"],
    cues: &[
        "мы предлагаем",
        "мы показываем",
        "в статье",
        "в работе",
        "результаты показывают",
        "в заключение",
        "в итоге",
        "таким образом",
        "цель",
        "главное",
        "впервые",
        "объявил",
        "объявила",
        "сообщил",
        "решил",
    ],
    stigmas: &[
        "например", "см. также", "смотрите также", "читать далее", "читайте также", "нажмите", "ну", "кстати", "я думаю",
    ],
    fillers: &[],
    furniture: &[
        "опубликовано",
        "обновлено",
        "читайте также",
        "читать далее",
        "смотрите также",
        "нажмите",
        "поделиться",
        "подписывайтесь",
        "фото:",
        "источник:",
        "видео:",
        "реклама",
        "все права защищены",
    ],
};

const VIETNAMESE: Phrases = Phrases {
    pronouns: &[
        "anh ấy", "cô ấy", "ông ấy", "bà ấy", "ông này", "bà này", "anh này", "cô này", "họ", "nó", "điều này", "điều đó", "việc này",
        "đây", "đó", "người này", "chúng",
    ],
    connectives: &[
        "nhưng", "và", "tuy nhiên", "tuy vậy", "do đó", "vì vậy", "vì thế", "bởi vậy", "ngoài ra", "bên cạnh đó", "sau đó", "đồng thời",
        "hơn nữa", "trong khi đó", "ví dụ", "chẳng hạn", "theo đó", "do vậy", "trước đó", "cũng", "còn", "ngược lại", "thế nhưng",
        "cụ thể",
    ],
    present: &[],
    first_person: &["tôi", "mình", "em", "tớ"],
    cues: &[
        "chúng tôi đề xuất", "bài báo này", "nghiên cứu này", "kết quả cho thấy", "tóm lại", "kết luận", "mục tiêu", "quan trọng nhất",
        "lần đầu tiên", "công bố", "quyết định", "cho biết",
    ],
    stigmas: &["ví dụ", "chẳng hạn", "xem thêm", "đọc thêm", "bấm vào", "nhấn vào", "tôi nghĩ"],
    fillers: &[],
    furniture: &[
        "xem thêm", "đọc thêm", "bấm vào", "chia sẻ", "theo dõi", "ảnh:", "nguồn:", "video:", "quảng cáo", "đăng ký",
    ],
};

"""What PostgreSQL calls its severities and the parts of a report, in each of its languages.

From the message catalogs that PostgreSQL 15 is shipped with: `lc_messages` decides which of
them stand in its log.
"""

from __future__ import annotations

SEVERITIES: dict[str, str] = {
    **{f"DEBUG{number}": "debug" for number in range(1, 6)},
    **dict.fromkeys(
        ["DEBUG", "გამართვა", "디버그", "ОТЛАДКА", "НАЛАГОДЖЕННЯ", "调试", "除錯"],
        "debug",
    ),
    **dict.fromkeys(
        ["LOG", "ჟურნალი", "로그", "СООБЩЕНИЕ", "LOGG", "ЗАПИСУВАННЯ", "日志", "日誌"],
        "log",
    ),
    **dict.fromkeys(
        ["INFO", "ინფორმაცია", "정보", "ИНФОРМАЦИЯ", "ІНФОРМАЦІЯ", "信息", "資訊"],
        "info",
    ),
    **dict.fromkeys(
        [
            *("NOTICE", "HINWEIS", "NOTIFICA", "알림", "ЗАМЕЧАНИЕ", "NOTIS"),
            *("ПОВІДОМЛЕННЯ", "注意"),
        ],
        "notice",
    ),
    **dict.fromkeys(
        [
            *("WARNING", "WARNUNG", "ATTENTION", "ATTENZIONE", "გაფრთხილება", "경고"),
            *("ПРЕДУПРЕЖДЕНИЕ", "VARNING", "ПОПЕРЕДЖЕННЯ", "警告"),
        ],
        "warning",
    ),
    **dict.fromkeys(
        [
            *("ERROR", "FEHLER", "ERREUR", "ERRORE", "შეცდომა", "오류", "ОШИБКА"),
            *("FEL", "ПОМИЛКА", "错误", "錯誤"),
        ],
        "error",
    ),
    **dict.fromkeys(
        [
            *("FATAL", "FATALE", "ფატალური", "치명적오류", "ВАЖНО", "FATALT"),
            *("ФАТАЛЬНО", "致命错误", "致命錯誤"),
        ],
        "fatal",
    ),
    **dict.fromkeys(
        [
            *("PANIC", "PANIK", "PANICO", "პანიკა", "손상", "ПАНИКА", "ПАНІКА"),
            *("灾难性错误", "嚴重錯誤"),
        ],
        "panic",
    ),
}

PARTS: dict[str, str] = {
    **dict.fromkeys(
        [
            *("DETAIL", "DETALLE", "DÉTAIL", "DETTAGLI", "詳細", "დეტალები"),
            *("상세정보", "ПОДРОБНОСТИ", "DETALJ", "ВІДОМОСТІ", "详情", "詳情"),
        ],
        "detail",
    ),
    **dict.fromkeys(
        [
            *("HINT", "TIPP", "ASTUCE", "SUGGERIMENTO", "ヒント", "მინიშნება", "힌트"),
            *("ПОДСКАЗКА", "TIPS", "УКАЗІВКА", "提示"),
        ],
        "hint",
    ),
    **dict.fromkeys(
        [
            *("QUERY", "ANFRAGE", "CONSULTA", "REQUÊTE", "問い合わせ", "მოთხოვნა"),
            *("쿼리", "ЗАПРОС", "FRÅGA", "ЗАПИТ", "查询", "查詢"),
        ],
        "internal_query",
    ),
    **dict.fromkeys(
        [
            *("CONTEXT", "ZUSAMMENHANG", "CONTEXTO", "CONTEXTE", "CONTESTO", "文脈"),
            *("კონტექსტი", "내용", "КОНТЕКСТ", "KONTEXT", "上下文"),
        ],
        "context",
    ),
    **dict.fromkeys(
        [
            *("LOCATION", "ORT", "UBICACIÓN", "EMPLACEMENT", "POSIZIONE", "場所"),
            *("მდებარეობა", "위치", "ПОЛОЖЕНИЕ", "PLATS", "РОЗТАШУВАННЯ", "位置"),
        ],
        "location",
    ),
    **dict.fromkeys(
        [
            *("STATEMENT", "ANWEISUNG", "SENTENCIA", "INSTRUCTION", "ISTRUZIONE"),
            *("文", "ოპერატორი", "명령 구문", "ОПЕРАТОР", "SATS", "ІНСТРУКЦІЯ"),
            *("语句", "陳述式"),
        ],
        "query",
    ),
    **dict.fromkeys(
        [
            *("BACKTRACE", "PILE D'APPEL", "バックトレース", "სტეკი", "역추적"),
            *("СТЕК", "ВІДСТЕЖУВАТИ", "回溯"),
        ],
        "backtrace",
    ),
}
"""Parts of the report before them, each with the field that it belongs to."""

"""Stack traces as the languages write them, each told apart from what stands around it.

Written by hand after what the runtimes print with their usual settings: OpenJDK 21 with
log4j's layout, CPython 3.11 with `logging`, Go 1.22, Ruby 3.3 and 3.4, Node 20.
"""

JAVA = [
    "2026-11-24 10:00:00,100 INFO  [main] app.Main - started",
    (
        "2026-11-24 10:00:01,200 ERROR [worker-1] app.Orders - order 17 failed\n"
        "java.lang.IllegalStateException: no stock\n"
        "\tat app.Orders.take(Orders.java:41)\n"
        "\tat java.base/java.lang.Thread.run(Thread.java:1583)\n"
        "\tSuppressed: java.io.IOException: close failed\n"
        "\t\tat app.Orders.close(Orders.java:60)\n"
        "\t\t... 2 more\n"
        "Caused by: java.sql.SQLException: timeout\n"
        "\tat app.Db.query(Db.java:12)\n"
        "\t... 14 common frames omitted"
    ),
    'Exception in thread "main" java.lang.Error: last\n\tat app.Main.main(Main.java:9)',
    "java.util.NoSuchElementException\n\tat app.Main.next(Main.java:10)",
    "2026-11-24 10:00:02,000 INFO  [main] app.Main - stopped",
]
PYTHON = [
    "INFO:root:started",
    (
        "ERROR:root:order 17 failed\n"
        "Traceback (most recent call last):\n"
        '  File "/app/orders.py", line 3, in take\n'
        "    return stock[number]\n"
        "           ~~~~~^^^^^^^^\n"
        "KeyError: 17\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "/app/main.py", line 9, in <module>\n'
        "    take(17)\n"
        "requests.exceptions.Timeout: HTTPConnectionPool(host='x', port=80)"
    ),
    (
        "Traceback (most recent call last):\n"
        '  File "<stdin>", line 1, in <module>\n'
        "KeyboardInterrupt"
    ),
    "INFO:root:stopped",
]
GO = [
    "2026/11/24 10:00:00 started",
    (
        "panic: runtime error: invalid memory address or nil pointer dereference\n"
        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47b3c9]\n"
        "\n"
        "goroutine 1 [running]:\n"
        "main.(*Orders).Take(...)\n"
        "\t/app/orders.go:14\n"
        "main.main()\n"
        "\t/app/main.go:9 +0x1d\n"
        "\n"
        "goroutine 18 [select]:\n"
        "net/http.(*persistConn).writeLoop(0xc0001a2000)\n"
        "\t/usr/lib/go/src/net/http/transport.go:2458 +0xe5\n"
        "created by net/http.(*Transport).dialConn in goroutine 1\n"
        "\t/usr/lib/go/src/net/http/transport.go:1799 +0x1585\n"
        "exit status 2"
    ),
    (
        "2026/11/24 10:00:01 http: panic serving 10.0.0.1:4711: boom\n"
        "goroutine 7 [running]:\n"
        "net/http.(*conn).serve.func1()\n"
        "\t/usr/lib/go/src/net/http/server.go:1898 +0xbe\n"
        "panic({0x63e0a0?, 0xc0000a6010?})\n"
        "\t/usr/lib/go/src/runtime/panic.go:770 +0x132"
    ),
    "2026/11/24 10:00:02 stopped",
]
RUBY = [
    "I, [2026-11-24T10:00:00.000000 #1]  INFO -- : started",
    (
        "/app/orders.rb:3:in `/': divided by 0 (ZeroDivisionError)\n"
        "\tfrom /app/orders.rb:3:in `take'\n"
        "\tfrom /app/main.rb:9:in `<main>'"
    ),
    (
        'ActionController::RoutingError (No route matches [GET] "/x"):\n'
        "app/controllers/orders.rb:12:in `show'\n"
        "<internal:kernel>:187:in `loop'\n"
        "lib/tasks/run.rake:4:in 'block in <main>'"
    ),
    "I, [2026-11-24T10:00:02.000000 #1]  INFO -- : stopped",
]
NODE = [
    "listening on 8080",
    (
        "/app/orders.js:3\n"
        "  throw new Error('no stock');\n"
        "  ^\n"
        "\n"
        "Error: no stock\n"
        "    at take (/app/orders.js:3:9)\n"
        "    at Object.<anonymous> (/app/main.js:9:1) {\n"
        "  code: 'E_STOCK'\n"
        "}\n"
        "\n"
        "Node.js v20.11.1"
    ),
    "TypeError: x is not a function\n    at node:internal/main/run_main_module:28:49",
    "listening on 8080",
]
TIME = [
    "2026-11-24T10:00:00.123Z started\nwith two lines\n\nand a blank one",
    "[2026-11-24 10:00:01,000] [INFO] a",
    "24/Nov/2026:10:00:02 +0000 b",
    "Nov 24 10:00:03 host c\n  indented",
    "Nov 24, 2026 9:00:04 AM app.Main d\nSEVERE: e",
    "ERROR 2026/11/24 10:00:05 f",
    "I1124 10:00:06.000123       1 main.go:9] g",
    "10:00:07.890 [main] INFO h\n10 apples",
    "<134>Nov 24 10:00:08 host i",
    "E, [2026-11-24T10:00:09.000000 #1] ERROR -- : j",
    "Tue Nov 24 10:00:10 2026 k",
]
BY_LANGUAGE = {
    "java": JAVA,
    "python": PYTHON,
    "go": GO,
    "ruby": RUBY,
    "node": NODE,
}

SLOWLOG = [
    "/usr/sbin/mysqld, Version: 8.0.15 (MySQL). started with:\nTcp port: 3306\nTime   Id",
    """# Time: 2019-03-24T14:01:47.811234Z
# User@Host: root[root] @ localhost []  Id:    14
# Query_time: 2.475469  Lock_time: 0.000287
SET timestamp=1553436105;
SELECT a,
  b

FROM c;""",
    "# User@Host: app[app] @  [10.0.0.7]  Id:    15\n# Query_time: 1.0\nSELECT 1;",
    "# Time: 161209 14:37:59\n# User@Host: app[app] @  [10.0.0.7]\n# Query_time: 1.0\nSELECT 2;",
]
"""Entries of MySQL's slow log; the third is of the second of the one before."""

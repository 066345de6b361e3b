#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/http/server.h"

static struct view view;

static unsigned answer(const char *path, struct page *page)
{
    const char *type = "";
    const unsigned code = http_answer(path, &view, page, &type);
    assert_true(strlen(type) > 5);
    return code;
}

static void readiness_says_what_is_missing(void **state)
{
    (void)state;
    struct page page = {0};
    struct control_status status = {.phase = CONTROL_SYNCING, .reason = "cores are late"};
    view_put_status(&view, &status);
    assert_int_equal(answer("/readyz", &page), 503);
    assert_non_null(strstr(page.text, "\"ready\":false"));
    assert_non_null(strstr(page.text, "\"reasons\":[\"cores are late\"]"));
    page_free(&page);
    status = (struct control_status){.phase = CONTROL_READY, .topics = 7};
    view_put_status(&view, &status);
    assert_int_equal(answer("/readyz", &page), 200);
    assert_non_null(strstr(page.text, "\"ready\":true"));
    assert_non_null(strstr(page.text, "\"topics\":7"));
    page_free(&page);
}

static void the_process_lives_and_has_metrics(void **state)
{
    (void)state;
    struct page page = {0};
    assert_int_equal(answer("/livez", &page), 200);
    page_free(&page);
    assert_int_equal(answer("/metrics", &page), 200);
    assert_non_null(strstr(page.text, "millrace_topics"));
    page_free(&page);
    assert_int_equal(answer("/", &page), 404);
    page_free(&page);
}

static void ask(uint16_t port, const char *request, char *reply, size_t reply_bytes)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    size_t got = 0;
    ssize_t count;
    while (got < reply_bytes - 1 && (count = read(fd, reply + got, reply_bytes - 1 - got)) > 0) {
        got += (size_t)count;
    }
    reply[got] = '\0';
    (void)close(fd);
}

static void it_speaks_http(void **state)
{
    (void)state;
    char reason[200] = "";
    static char reply[65536];
    const struct host_port listen = {.host = "127.0.0.1", .port = 0};
    struct http_server *server = http_server_start(&listen, &view, reason, sizeof(reason));
    assert_non_null(server);
    const uint16_t port = http_server_port(server);
    assert_true(port > 0);
    ask(port, "GET /livez HTTP/1.0\r\n\r\n", reply, sizeof(reply));
    assert_non_null(strstr(reply, " 200 OK"));
    assert_non_null(strstr(reply, "\"live\":true"));
    ask(port, "POST /livez HTTP/1.0\r\nContent-Length: 0\r\n\r\n", reply, sizeof(reply));
    assert_non_null(strstr(reply, " 405 "));
    ask(port, "nonsense\r\n\r\n", reply, sizeof(reply));
    ask(port, "GET /metrics HTTP/1.0\r\n\r\n", reply, sizeof(reply));
    assert_non_null(strstr(reply, "text/plain; version=0.0.4"));

    const struct host_port taken = {.host = "127.0.0.1", .port = port};
    assert_null(http_server_start(&taken, &view, reason, sizeof(reason)));
    assert_non_null(strstr(reason, "--http"));
    http_server_stop(server);
}

int main(void)
{
    view_init(&view);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_says_what_is_missing),
        cmocka_unit_test(the_process_lives_and_has_metrics),
        cmocka_unit_test(it_speaks_http),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    view_free(&view);
    return failed;
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/sock/listen.h"

static struct network_address resolved(const char *host, uint16_t port)
{
    struct network_address address;
    assert_true(listen_resolve(host, port, &address));
    return address;
}

static void hosts_become_sixteen_byte_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *text;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:9092"},
        {"localhost", "127.0.0.1:9092"},
        {"", "0.0.0.0:9092"},
        {"::1", "[::1]:9092"},
        {"::", "[::]:9092"},
        {"0.0.0.0", "0.0.0.0:9092"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[LISTEN_TEXT_BYTES];
        const struct network_address address = resolved(cases[i].host, 9092);
        assert_string_equal(listen_text(&address, text), cases[i].text);
    }
    struct network_address address;
    assert_false(listen_resolve("no.such.host.invalid", 1, &address));
}

static int client_connect(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void several_sockets_share_one_port_and_connections_inherit_no_delay(void **state)
{
    (void)state;
    struct network_address address = resolved("127.0.0.1", 0);
    int fds[4];
    assert_int_equal(listen_open(&address, 4, fds), 0);
    assert_int_not_equal(address.port, 0);
    int clients[64];
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
        clients[i] = client_connect(address.port);
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t before = accepted;
        int fd;
        while ((fd = accept(fds[i], NULL, NULL)) >= 0) {
            int on = 0;
            socklen_t len = sizeof(on);
            assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
            assert_int_equal(on, 1);
            assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
            assert_int_equal(on, 1);
            accepted++;
            close(fd);
        }
        assert_int_equal(errno, EAGAIN);
        used += accepted > before;
    }
    assert_int_equal(accepted, ARRAY_SIZE(clients));
    assert_true(used >= 2); /* All on one of four: a chance of 2^-126. */
    for (uint32_t i = 0; i < ARRAY_SIZE(clients); i++) {
        close(clients[i]);
    }
    listen_close(4, fds);
}

static void a_port_in_use_is_refused_even_when_it_could_be_shared(void **state)
{
    (void)state;
    struct network_address address = resolved("127.0.0.1", 0);
    int first[2];
    int second[2];
    assert_int_equal(listen_open(&address, 2, first), 0);
    struct network_address again = address;
    assert_int_equal(listen_open(&again, 2, second), -EADDRINUSE);
    listen_close(2, first);
    assert_int_equal(listen_open(&again, 2, second), 0);
    listen_close(2, second);
}

static void accepted_connections_have_the_congestion_control_of_their_listener(void **state)
{
    (void)state;
    struct network_address address = resolved("127.0.0.1", 0);
    int fds[2];
    char name[16] = "";
    socklen_t len = sizeof(name);
    assert_int_equal(listen_open(&address, 2, fds), 0);
    assert_int_equal(listen_congestion(2, fds, "reno"), 0); /* Every Linux has it. */
    const int client = client_connect(address.port);
    int accepted = -1;
    for (uint32_t i = 0; accepted < 0; i = 1 - i) {
        accepted = accept(fds[i], NULL, NULL);
    }
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_string_equal(name, "reno");
    assert_int_equal(listen_congestion(2, fds, "no-such-one"), -ENOENT);
    close(accepted);
    close(client);
    listen_close(2, fds);
}

static void accepted_connections_have_the_buffers_that_were_asked_for(void **state)
{
    (void)state;
    struct network_address address = resolved("127.0.0.1", 0);
    int fd;
    int usual[2];
    int asked[2];
    assert_int_equal(listen_open(&address, 1, &fd), 0);
    for (uint32_t round = 0; round < 2; round++) {
        const struct listen_tuning tuning = {.backlog = 7,
                                             .send_buffer_bytes = round == 0 ? 0 : 20000,
                                             .receive_buffer_bytes = round == 0 ? 0 : 30000};
        int *got = round == 0 ? usual : asked;
        socklen_t len = sizeof(int);
        assert_int_equal(listen_tune(1, &fd, &tuning), 0);
        const int client = client_connect(address.port);
        const int accepted = accept(fd, NULL, NULL);
        assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &got[0], &len), 0);
        assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_RCVBUF, &got[1], &len), 0);
        close(accepted);
        close(client);
    }
    assert_int_equal(asked[0], 40000); /* Linux doubles it, for its own books. */
    assert_int_equal(asked[1], 60000);
    assert_true(usual[0] > asked[0] && usual[1] > asked[1]);
    listen_close(1, &fd);
}

static void an_address_of_another_machine_is_refused(void **state)
{
    (void)state;
    struct network_address address = resolved("192.0.2.1", 0);
    int fd;
    assert_int_equal(listen_open(&address, 1, &fd), -EADDRNOTAVAIL);
}

static void all_of_ipv6_takes_ipv4_in(void **state)
{
    (void)state;
    struct network_address address = resolved("::", 0);
    int fd;
    const int status = listen_open(&address, 1, &fd);
    if (status == -EAFNOSUPPORT) {
        skip(); /* No IPv6 on this machine. */
    }
    assert_int_equal(status, 0);
    const int client = client_connect(address.port);
    const int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    listen_close(1, &fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_become_sixteen_byte_addresses),
        cmocka_unit_test(several_sockets_share_one_port_and_connections_inherit_no_delay),
        cmocka_unit_test(a_port_in_use_is_refused_even_when_it_could_be_shared),
        cmocka_unit_test(accepted_connections_have_the_congestion_control_of_their_listener),
        cmocka_unit_test(accepted_connections_have_the_buffers_that_were_asked_for),
        cmocka_unit_test(an_address_of_another_machine_is_refused),
        cmocka_unit_test(all_of_ipv6_takes_ipv4_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

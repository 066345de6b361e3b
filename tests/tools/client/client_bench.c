#include "tests/tools/client/client_bench.h"

struct fake_broker *broker;
struct client client;

int client_bench_setup(void **state)
{
    (void)state;
    broker = fake_broker_new();
    return 0;
}

int client_bench_teardown(void **state)
{
    (void)state;
    client_close(&client);
    fake_broker_free(broker);
    return 0;
}

void begin(void)
{
    fake_broker_start(broker);
    assert_true(client_open(&client, broker->bootstrap, TIMEOUT_MS));
}

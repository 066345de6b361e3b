#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/doctor.h"

static struct settings settings;
static struct doctor doctor;

/* Settings that this host can serve, whatever it is. */
static int setup(void **state)
{
    (void)state;
    settings = (struct settings){.cores_count = 1,
                                 .memory_arena_bytes = 1 << 20,
                                 .memory_receive_bytes = 1 << 20,
                                 .memory_hugepages = HUGEPAGES_OFF,
                                 .network_max_connections = 10,
                                 .network_listen = {"127.0.0.1", 0},
                                 .http_listen = {"127.0.0.1", 0}};
    doctor = (struct doctor){.settings = &settings};
    return 0;
}

static const struct doctor_finding *finding_of(const char *id)
{
    for (uint32_t i = 0; i < doctor.count; i++) {
        if (strcmp(doctor.finding[i].id, id) == 0) {
            return &doctor.finding[i];
        }
    }
    return NULL;
}

/* Each finding says what was seen and needed, and what is wrong says the cure. */
static void check_all(void)
{
    assert_true(doctor.count > 0);
    for (uint32_t i = 0; i < doctor.count; i++) {
        const struct doctor_finding *finding = &doctor.finding[i];
        assert_int_equal(strncmp(finding->id, "MR-", 3), 0);
        assert_true(finding->what[0] != '\0');
        assert_true(finding->observed[0] != '\0');
        assert_true(finding->needed[0] != '\0');
        assert_true((finding->fix[0] != '\0') == (finding->severity != DOCTOR_OK));
    }
}

static void little_is_asked_and_this_host_has_it(void **state)
{
    (void)state;
    doctor_host(&doctor);
    doctor_ring(&doctor);
    check_all();
    static const char *const fine[] = {"MR-MEMORY-001", "MR-CPU-001", "MR-PORT-001", "MR-PORT-002",
                                       "MR-HUGE-001"};
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
        assert_non_null(finding_of(fine[i]));
        assert_int_equal(finding_of(fine[i])->severity, DOCTOR_OK);
    }
}

static void more_memory_than_there_is_is_an_error(void **state)
{
    (void)state;
    settings.memory_arena_bytes = (uint64_t)1 << 50;
    doctor_host(&doctor);
    check_all();
    assert_int_equal(finding_of("MR-MEMORY-001")->severity, DOCTOR_ERROR);
}

static void a_cpu_that_is_not_there_is_an_error_and_too_few_are_a_warning(void **state)
{
    (void)state;
    settings.cores_count = 100000;
    doctor_host(&doctor);
    check_all();
    assert_int_equal(finding_of("MR-CPU-001")->severity, DOCTOR_WARNING);
    doctor.count = 0;
    settings.cores_cpus = (struct settings_cpus){1, {1000}};
    doctor_host(&doctor);
    assert_int_equal(finding_of("MR-CPU-001")->severity, DOCTOR_ERROR);
    assert_non_null(strstr(finding_of("MR-CPU-001")->observed, "1000"));
}

static void hugepages_that_are_missing_matter_as_much_as_was_said(void **state)
{
    (void)state;
    static const struct {
        uint32_t asked;
        enum doctor_severity want;
    } table[] = {{HUGEPAGES_OFF, DOCTOR_OK},
                 {HUGEPAGES_AUTO, DOCTOR_INFO},
                 {HUGEPAGES_REQUIRED, DOCTOR_ERROR}};
    settings.memory_arena_bytes = (uint64_t)1 << 50;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        doctor.count = 0;
        settings.memory_hugepages = table[i].asked;
        doctor_host(&doctor);
        assert_int_equal(finding_of("MR-HUGE-001")->severity, table[i].want);
    }
    doctor.count = 0; /* A node that runs has taken them. */
    doctor.node_runs = true;
    doctor_host(&doctor);
    assert_int_equal(finding_of("MR-HUGE-001")->severity, DOCTOR_OK);
}

static void a_taken_port_is_an_error_unless_our_node_has_it(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    settings.network_listen.port = ntohs(address.sin_port);
    doctor_host(&doctor);
    check_all();
    assert_int_equal(finding_of("MR-PORT-001")->severity, DOCTOR_ERROR);
    assert_non_null(strstr(finding_of("MR-PORT-001")->fix, "--listen"));
    doctor.count = 0;
    doctor.node_runs = true;
    doctor_host(&doctor);
    assert_int_equal(finding_of("MR-PORT-001")->severity, DOCTOR_OK);
    (void)close(fd);
}

static void a_port_of_our_own_is_asked_for_instead_of_an_address(void **state)
{
    (void)state;
    settings.network_path = NETWORK_DPDK;
    settings.network_device = "net_tap0,iface=millrace0";
    settings.network_listen = (struct host_port){"192.0.2.1", 9092};
    doctor_host(&doctor);
    check_all();
    assert_null(finding_of("MR-PORT-001"));
    assert_non_null(finding_of("MR-NIC-001"));
    assert_non_null(finding_of("MR-NIC-002"));
    doctor.count = 0;
    settings.network_device = "net_af_packet0,iface=millrace-none,blocksz=4096";
    doctor_host(&doctor);
    check_all();
    assert_null(finding_of("MR-NIC-002"));
    assert_int_equal(finding_of("MR-NIC-003")->severity, DOCTOR_ERROR);
    assert_string_equal(finding_of("MR-NIC-003")->observed, "millrace-none is not there");
    doctor.count = 0;
    settings.network_device = "net_af_packet0,iface=lo";
    doctor_host(&doctor);
    assert_int_equal(finding_of("MR-NIC-003")->severity, DOCTOR_OK);
}

static void an_address_of_another_host_is_an_error(void **state)
{
    (void)state;
    settings.http_listen = (struct host_port){"192.0.2.1", 1};
    doctor_host(&doctor);
    check_all();
    assert_int_equal(finding_of("MR-PORT-002")->severity, DOCTOR_ERROR);
    assert_non_null(strstr(finding_of("MR-PORT-002")->fix, "address of this host"));
}

static void a_data_directory_to_be_made_is_looked_at_where_it_will_lie(void **state)
{
    (void)state;
    char folder[] = "/tmp/millrace-doctor-XXXXXX";
    char data[100];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(data, sizeof(data), "%s/to/be/made", folder);
    settings.storage_data = (struct settings_paths){1, {data}};
    doctor_disk(&doctor);
    check_all();
    const struct doctor_finding *finding = finding_of("MR-DISK-001");
    assert_int_equal(finding->severity, DOCTOR_OK);
    assert_non_null(strstr(finding->observed, folder));
    assert_non_null(strstr(finding->observed, "to be made in"));
    assert_non_null(finding_of("MR-SPACE-001"));
    assert_non_null(finding_of("MR-DISK-003"));
    assert_int_equal(rmdir(folder), 0); /* Nothing was left in it. */
}

static void a_directory_where_nothing_can_be_written_is_an_error(void **state)
{
    (void)state;
    settings.storage_data = (struct settings_paths){1, {"/proc/nothing"}};
    doctor_disk(&doctor);
    check_all();
    assert_int_equal(doctor.count, 1); /* No guesses about its flushes. */
    assert_int_equal(finding_of("MR-DISK-001")->severity, DOCTOR_ERROR);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(little_is_asked_and_this_host_has_it),
        TEST(more_memory_than_there_is_is_an_error),
        TEST(a_cpu_that_is_not_there_is_an_error_and_too_few_are_a_warning),
        TEST(hugepages_that_are_missing_matter_as_much_as_was_said),
        TEST(a_taken_port_is_an_error_unless_our_node_has_it),
        TEST(a_port_of_our_own_is_asked_for_instead_of_an_address),
        TEST(an_address_of_another_host_is_an_error),
        TEST(a_data_directory_to_be_made_is_looked_at_where_it_will_lie),
        TEST(a_directory_where_nothing_can_be_written_is_an_error),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/doctor.h"

/* What the engine cannot do without, and since which kernel it exists. */
static const struct {
    uint8_t opcode;
    const char *name;
} needed[] = {
    {IORING_OP_WRITE_FIXED, "WRITE_FIXED"},
    {IORING_OP_READ_FIXED, "READ_FIXED"},
    {IORING_OP_WRITEV, "WRITEV"},
    {IORING_OP_READ, "READ"},
    {IORING_OP_FSYNC, "FSYNC"},
    {IORING_OP_ACCEPT, "ACCEPT"},
    {IORING_OP_RECV, "RECV"},
    {IORING_OP_SEND, "SEND"},
    {IORING_OP_SENDMSG, "SENDMSG"},
    {IORING_OP_CLOSE, "CLOSE"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
};

static void ring_refused(struct doctor *doctor, int error)
{
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-RING-001", DOCTOR_ERROR, "io_uring can be used");
    doctor_observed(finding, "io_uring_setup: %s", strerror(error));
    doctor_needed(finding, "a ring of 8 entries");
    if (error == ENOSYS) {
        doctor_fix(finding, "boot a kernel from 6.1 on with CONFIG_IO_URING");
    } else if (error == ENOMEM) {
        doctor_fix(finding, "ulimit -l unlimited");
    } else {
        doctor_fix(finding, "sysctl -w kernel.io_uring_disabled=0; in a container: "
                            "--security-opt seccomp=unconfined");
    }
}

static void check_opcodes(struct doctor *doctor, int ring)
{
    static struct {
        struct io_uring_probe probe;
        struct io_uring_probe_op op[256];
    } answer;
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-RING-002", DOCTOR_OK, "io_uring has the operations");
    doctor_needed(finding, "%zu operations", ARRAY_SIZE(needed));
    const long result =
        syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE, &answer, ARRAY_SIZE(answer.op));
    uint32_t there = 0;
    const char *missing = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        const bool has = result == 0 && needed[i].opcode <= answer.probe.last_op &&
                         (answer.op[needed[i].opcode].flags & IO_URING_OP_SUPPORTED) != 0;
        there += has;
        missing = missing == NULL && !has ? needed[i].name : missing;
    }
    if (missing == NULL) {
        doctor_observed(finding, "%u operations", there);
        return;
    }
    finding->severity = DOCTOR_ERROR;
    doctor_observed(finding, "%u of them, %s is missing", there, missing);
    doctor_fix(finding, "boot a kernel from 6.1 on");
}

void doctor_ring(struct doctor *doctor)
{
    struct io_uring_params parameters = {0};
    const int ring = (int)syscall(SYS_io_uring_setup, 8, &parameters);
    if (ring < 0) {
        ring_refused(doctor, errno);
        return;
    }
    struct doctor_finding *finding =
        doctor_add(doctor, "MR-RING-001", DOCTOR_OK, "io_uring can be used");
    doctor_observed(finding, "a ring of %u entries", parameters.sq_entries);
    doctor_needed(finding, "a ring of 8 entries");
    check_opcodes(doctor, ring);
    (void)close(ring);
}

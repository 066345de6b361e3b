/* `millrace doctor`: what on this host is in the way, and the command that fixes it.
 *
 * Every check is a probe of the thing itself, not of a version. A finding has a stable id.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include "dataplane/profile/settings.h"

enum doctor_severity { DOCTOR_OK, DOCTOR_INFO, DOCTOR_WARNING, DOCTOR_ERROR };

enum { DOCTOR_FINDINGS_MAX = 64 };

struct doctor_finding {
    char id[24]; /* "MR-RING-001" */
    enum doctor_severity severity;
    char what[64];
    char observed[256];
    char needed[160];
    char fix[200];   /* A command or a flag; empty when nothing is wrong. */
    bool is_command; /* The fix is one for a shell, as it stands. */
};

struct doctor {
    const struct settings *settings;
    bool node_runs; /* Ports and locks are then taken by our own node. */
    struct doctor_finding finding[DOCTOR_FINDINGS_MAX];
    uint32_t count;
};

/* The next finding, with id, severity and what filled in; never NULL. */
struct doctor_finding *doctor_add(struct doctor *doctor, const char *id,
                                  enum doctor_severity severity, const char *what);

__attribute__((format(printf, 2, 3))) void doctor_observed(struct doctor_finding *finding,
                                                           const char *format, ...);
__attribute__((format(printf, 2, 3))) void doctor_needed(struct doctor_finding *finding,
                                                         const char *format, ...);
__attribute__((format(printf, 2, 3))) void doctor_fix(struct doctor_finding *finding,
                                                      const char *format, ...);

/* The same, for a fix that a shell can run as it stands. */
__attribute__((format(printf, 2, 3))) void doctor_command(struct doctor_finding *finding,
                                                          const char *format, ...);

struct host;

/* The groups of checks. */
void doctor_ring(struct doctor *doctor); /* tools/doctor_ring.c */
void doctor_disk(struct doctor *doctor); /* tools/doctor_disk.c */
void doctor_host(struct doctor *doctor); /* tools/doctor_host.c */
void doctor_port(struct doctor *doctor); /* tools/doctor_port.c: with network.path dpdk */
void doctor_bypass(struct doctor *doctor, const struct host *host); /* tools/doctor_bypass.c */

/* `millrace tune --print`: the findings as a script (tools/tune.c). */
void tune_print(FILE *out, const struct doctor *of);

#endif

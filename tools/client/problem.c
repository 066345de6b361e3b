#include "tools/client/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/kafka/errors.h"

/* %s is the subject. */
static const struct {
    int16_t code;
    const char *remedy;
} remedies[] = {
    {ERROR_TOPIC_ALREADY_EXISTS, "`millrace topic show %s` shows it"},
    {ERROR_UNKNOWN_TOPIC_OR_PARTITION,
     "`millrace topic list` shows what there is, `millrace topic create %s` makes it"},
    {ERROR_UNKNOWN_TOPIC_ID, "it was deleted or created anew: try again"},
    {ERROR_INVALID_TOPIC_EXCEPTION,
     "a name has 1 to 249 letters, digits, dots, dashes and underscores"},
    {ERROR_MESSAGE_TOO_LARGE, "`millrace topic set %s max.message.bytes=N` allows larger ones"},
    {ERROR_RECORD_LIST_TOO_LARGE, "`millrace topic set %s segment.bytes=N` makes room"},
    {ERROR_INVALID_CONFIG, "`millrace topic show %s --all` lists keys and values"},
    {ERROR_INVALID_PARTITIONS, "partitions can only grow; `millrace topic show %s` counts them"},
    {ERROR_INVALID_REPLICATION_FACTOR, "one node keeps one replica: leave --replicas out"},
    {ERROR_OFFSET_OUT_OF_RANGE, "`millrace topic show %s` lists the offsets"},
    {ERROR_KAFKA_STORAGE_ERROR, "`millrace doctor` looks at the disks; the node's log says more"},
    {ERROR_REQUEST_TIMED_OUT, "the control process may be starting: `millrace status`"},
    {ERROR_COORDINATOR_NOT_AVAILABLE, "the control process may be starting: `millrace status`"},
    {ERROR_NOT_CONTROLLER, "the control process may be starting: `millrace status`"},
    {ERROR_TOPIC_AUTHORIZATION_FAILED, "ask who runs the cluster for access to %s"},
    {ERROR_CLUSTER_AUTHORIZATION_FAILED, "ask who runs the cluster for access"},
    {ERROR_UNSUPPORTED_COMPRESSION_TYPE, "try --compression none"},
    {ERROR_GROUP_ID_NOT_FOUND, "`millrace group list` shows what there is"},
    {ERROR_NON_EMPTY_GROUP, "stop its members first; `millrace group show %s` lists them"},
    {ERROR_UNKNOWN_MEMBER_ID,
     "it has members: stop them first; `millrace group show %s` lists them"},
    {ERROR_TRANSACTIONAL_ID_NOT_FOUND, "`millrace txn list` shows what there is"},
    {ERROR_INVALID_TIMESTAMP, "`millrace topic show %s --all` lists message.timestamp.*"},
};

bool problem_set(struct problem *problem, enum problem_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    problem->kind = kind;
    problem->code = ERROR_NONE;
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    return false;
}

static const char *remedy_of(int16_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(remedies); i++) {
        if (remedies[i].code == code) {
            return remedies[i].remedy;
        }
    }
    return NULL;
}

/* The remedy with %s replaced, behind ". ". */
static void remedy_append(struct problem *problem, size_t at, const char *remedy,
                          const char *subject)
{
    const char *hole = strstr(remedy, "%s");
    const int head = hole != NULL ? (int)(hole - remedy) : (int)strlen(remedy);
    (void)snprintf(problem->text + at, sizeof(problem->text) - at, "; %.*s%s%s", head, remedy,
                   hole != NULL ? subject : "", hole != NULL ? hole + 2 : "");
}

bool problem_kafka(struct problem *problem, int16_t code, const char *what, const char *subject,
                   const char *message)
{
    const bool has_message = message != NULL && message[0] != '\0';
    (void)problem_set(problem, PROBLEM_KAFKA, "%s: %s: %s%s%s%s", what, error_name(code),
                      error_text(code), has_message ? " (" : "", has_message ? message : "",
                      has_message ? ")" : "");
    problem->code = code;
    const char *remedy = remedy_of(code);
    const size_t used = strlen(problem->text);
    if (remedy != NULL && used + 1 < sizeof(problem->text)) {
        remedy_append(problem, used, remedy, subject);
    }
    return false;
}

bool problem_may_pass(const struct problem *problem, bool repeatable)
{
    switch (problem->kind) {
    case PROBLEM_KAFKA:
        return problem->code != ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
               problem->code != ERROR_UNKNOWN_TOPIC_ID && error_is_retriable(problem->code);
    case PROBLEM_LOST: return repeatable;
    case PROBLEM_UNREACHABLE: return true;
    case PROBLEM_NONE:
    case PROBLEM_PROTOCOL:
    case PROBLEM_LOCAL: break;
    }
    return false;
}

/* commits: every connection is a group that commits one offset after the other, and waits for each
 * answer. At the end each group's offset must be the last one that was acknowledged. */
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "tools/bench/dialogs.h"

enum {
    OFFSET_COMMIT_VERSION = 8,
    OFFSET_FETCH_VERSION = 5,
    ANSWER_BYTES_MAX = 1 << 16,
    NAME_BYTES_MAX = 128,
};

struct group {
    char name[NAME_BYTES_MAX];
    int64_t next, acked; /* Offsets. */
};

struct commits {
    struct dialogs dialogs;
    struct group *groups;
};

static struct commits *commits_of(struct dialogs *dialogs)
{
    return CONTAINER_OF(dialogs, struct commits, dialogs);
}

static bool commit_next(struct dialogs *dialogs, uint32_t index)
{
    struct group *group = &commits_of(dialogs)->groups[index];
    if (dialogs->stopping) {
        return false;
    }
    const struct bytes name = bytes_of_string(group->name);
    const struct bytes topic_name = bytes_of_string(dialogs->run->options->topic);
    struct offset_commit_request_partition partition = offset_commit_request_partition_default;
    partition.committed_offset = group->next++;
    partition.committed_metadata = CHAIN_EMPTY;
    struct offset_commit_request_topic topic = offset_commit_request_topic_default;
    topic.name = chain_of(&topic_name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    struct offset_commit_request message = offset_commit_request_default;
    message.group_id = chain_of(&name);
    message.topics.items = &topic;
    message.topics.count = 1;
    struct peer_request *request = peer_begin(&dialogs->peers[index]);
    REQUESTS_ENCODE(request, API_OFFSET_COMMIT, offset_commit, OFFSET_COMMIT_VERSION, &message);
    request->intended_ns = usage_now_ns();
    peer_end(&dialogs->peers[index]);
    return true;
}

static bool commit_answer(struct dialogs *dialogs, uint32_t index,
                          const struct peer_request *request, struct bytes frame)
{
    struct group *group = &commits_of(dialogs)->groups[index];
    struct offset_commit_response answer;
    struct offset_commit_response_topic topic;
    struct offset_commit_response_partition partition;
    if (!REQUESTS_DECODE(frame, API_OFFSET_COMMIT, offset_commit, OFFSET_COMMIT_VERSION, &answer) ||
        !offset_commit_response_topic_array_next(&answer.topics, &topic) ||
        !offset_commit_response_partition_array_next(&topic.partitions, &partition)) {
        return dialogs_failed("OffsetCommit", ERROR_CORRUPT_MESSAGE);
    }
    if (group->acked == 0 && dialogs_coordinator_comes(partition.error_code)) {
        group->next = 0;
        return true;
    }
    if (partition.error_code != ERROR_NONE) {
        return dialogs_failed("OffsetCommit", partition.error_code);
    }
    group->acked++; /* One at a time: this one. */
    dialogs_count(dialogs, request->intended_ns);
    return true;
}

/* What the broker says the group has committed; -1 nothing or no answer. */
static int64_t committed(struct peer *peer, const struct group *group, const char *topic_text)
{
    const struct bytes name = bytes_of_string(group->name);
    const struct bytes topic_name = bytes_of_string(topic_text);
    const int32_t index = 0;
    struct offset_fetch_request_topic topic = offset_fetch_request_topic_default;
    topic.name = chain_of(&topic_name);
    topic.partition_indexes.items = &index;
    topic.partition_indexes.count = 1;
    struct offset_fetch_request message = offset_fetch_request_default;
    message.group_id = chain_of(&name);
    message.topics.items = &topic;
    message.topics.count = 1;
    struct peer_request *request = peer_begin(peer);
    REQUESTS_ENCODE(request, API_OFFSET_FETCH, offset_fetch, OFFSET_FETCH_VERSION, &message);
    peer_end(peer);
    struct bytes frame;
    struct offset_fetch_response answer;
    struct offset_fetch_response_topic found;
    struct offset_fetch_response_partition partition;
    if (!peer_call(peer, &frame) ||
        !REQUESTS_DECODE(frame, API_OFFSET_FETCH, offset_fetch, OFFSET_FETCH_VERSION, &answer) ||
        !offset_fetch_response_topic_array_next(&answer.topics, &found) ||
        !offset_fetch_response_partition_array_next(&found.partitions, &partition)) {
        return -1;
    }
    return partition.committed_offset;
}

static void verify(struct commits *commits)
{
    struct run *run = commits->dialogs.run;
    for (uint32_t i = 0; i < run->options->connections; i++) {
        const struct group *group = &commits->groups[i];
        const int64_t found = committed(&commits->dialogs.peers[i], group, run->options->topic);
        if (found != group->acked - 1) {
            run->report->verify_failed = true;
            (void)snprintf(run->report->verify_note, sizeof(run->report->verify_note),
                           "group %s has committed %lld, not %lld", group->name, (long long)found,
                           (long long)group->acked - 1);
        }
    }
}

static bool open_all(struct commits *commits)
{
    struct dialogs *dialogs = &commits->dialogs;
    const struct bench_options *options = dialogs->run->options;
    if (!dialogs_open(dialogs, ANSWER_BYTES_MAX) ||
        !requests_create_topic(&dialogs->peers[0], options)) {
        return false;
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        struct group *group = &commits->groups[i];
        (void)snprintf(group->name, sizeof(group->name), "%s-%u", options->topic, i);
        if (!requests_find_coordinator(&dialogs->peers[i], REQUESTS_GROUP, group->name)) {
            return false;
        }
    }
    return true;
}

bool run_commits(struct run *run)
{
    struct commits commits = {
        .dialogs = {.run = run, .next = commit_next, .answer = commit_answer},
        .groups = calloc(run->options->connections, sizeof(*commits.groups)),
    };
    const bool ok = commits.groups != NULL && open_all(&commits) && dialogs_run(&commits.dialogs);
    if (ok && run->options->verify) {
        verify(&commits);
    }
    dialogs_close(&commits.dialogs);
    free(commits.groups);
    return ok;
}

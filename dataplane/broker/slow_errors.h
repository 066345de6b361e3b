/* Valid answers to SLOW requests for when the control process cannot answer: each names what the
 * request named, with the given error (H20). They read the request's frame. */
#ifndef DATAPLANE_BROKER_SLOW_ERRORS_H
#define DATAPLANE_BROKER_SLOW_ERRORS_H

#include "dataplane/broker/dispatch.h"

slow_error_build create_topics_error;
slow_error_build delete_topics_error;
slow_error_build create_partitions_error;
slow_error_build describe_configs_error;
slow_error_build alter_configs_error;
slow_error_build incremental_alter_error;
slow_error_build list_resources_error;
slow_error_build elect_leaders_error;
slow_error_build alter_reassignments_error;
slow_error_build list_reassignments_error;
slow_error_build find_coordinator_error;
slow_error_build join_group_error;
slow_error_build sync_group_error;
slow_error_build heartbeat_error;
slow_error_build leave_group_error;
slow_error_build offset_commit_error;
slow_error_build offset_fetch_error;
slow_error_build offset_delete_error;
slow_error_build describe_groups_error;
slow_error_build list_groups_error;
slow_error_build delete_groups_error;
slow_error_build consumer_heartbeat_error;
slow_error_build consumer_describe_error;
slow_error_build init_producer_id_error;
slow_error_build add_partitions_to_txn_error;
slow_error_build add_offsets_to_txn_error;
slow_error_build end_txn_error;
slow_error_build write_txn_markers_error;
slow_error_build txn_offset_commit_error;
slow_error_build describe_transactions_error;
slow_error_build list_transactions_error;

#endif

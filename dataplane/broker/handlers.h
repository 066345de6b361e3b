/* The handlers that the dispatch table names; each in the file of its name. */
#ifndef DATAPLANE_BROKER_HANDLERS_H
#define DATAPLANE_BROKER_HANDLERS_H

#include "dataplane/broker/dispatch.h"

api_handler produce_start;
api_handler fetch_start;
api_handler list_offsets_start;
api_handler epoch_end_start;
api_handler metadata_start;
api_handler api_versions_start;
api_handler delete_records_start;
api_handler init_producer_id_start;
api_handler describe_producers_start;
api_handler describe_log_dirs_start;
api_handler describe_cluster_start;
api_handler describe_acls_start;
api_handler create_acls_start;
api_handler delete_acls_start;
api_handler topic_partitions_start;
api_handler slow_start;

#endif

/* Kafka's error codes, all of 4.2.1 (Errors.java). Constant data; any thread. */
#ifndef DATAPLANE_KAFKA_ERRORS_H
#define DATAPLANE_KAFKA_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

/* X(number, NAME, retriable by the client as it is, what it means) */
/* clang-format off */
#define ERROR_CODES(X) \
    X(-1, UNKNOWN_SERVER_ERROR, false, "the broker failed in a way it has no code for") \
    X(0, NONE, false, "no error") \
    X(1, OFFSET_OUT_OF_RANGE, false, "the offset lies outside the log") \
    X(2, CORRUPT_MESSAGE, true, "the batch is damaged") \
    X(3, UNKNOWN_TOPIC_OR_PARTITION, true, "no such topic or partition here") \
    X(4, INVALID_FETCH_SIZE, false, "the fetch size is not valid") \
    X(5, LEADER_NOT_AVAILABLE, true, "the partition has no leader now") \
    X(6, NOT_LEADER_OR_FOLLOWER, true, "this broker does not lead the partition") \
    X(7, REQUEST_TIMED_OUT, true, "the time for the request is over") \
    X(8, BROKER_NOT_AVAILABLE, false, "the broker is not available") \
    X(9, REPLICA_NOT_AVAILABLE, true, "the replica is not available") \
    X(10, MESSAGE_TOO_LARGE, false, "the batch is larger than the topic allows") \
    X(11, STALE_CONTROLLER_EPOCH, false, "the controller's epoch is outdated") \
    X(12, OFFSET_METADATA_TOO_LARGE, false, "the metadata of the committed offset is too long") \
    X(13, NETWORK_EXCEPTION, true, "the connection was lost") \
    X(14, COORDINATOR_LOAD_IN_PROGRESS, true, "the coordinator is still loading") \
    X(15, COORDINATOR_NOT_AVAILABLE, true, "the coordinator is not available") \
    X(16, NOT_COORDINATOR, true, "this broker is not the coordinator") \
    X(17, INVALID_TOPIC_EXCEPTION, false, "the topic name is not allowed") \
    X(18, RECORD_LIST_TOO_LARGE, false, "the batch is larger than a segment") \
    X(19, NOT_ENOUGH_REPLICAS, true, "too few replicas are in sync") \
    X(20, NOT_ENOUGH_REPLICAS_AFTER_APPEND, true, \
      "written, but then too few replicas were in sync") \
    X(21, INVALID_REQUIRED_ACKS, false, "acks must be -1, 0 or 1") \
    X(22, ILLEGAL_GENERATION, false, "the group is in another generation") \
    X(23, INCONSISTENT_GROUP_PROTOCOL, false, "the member's protocols do not fit the group") \
    X(24, INVALID_GROUP_ID, false, "the group id is not valid") \
    X(25, UNKNOWN_MEMBER_ID, false, "the group does not know this member") \
    X(26, INVALID_SESSION_TIMEOUT, false, "the session timeout is out of range") \
    X(27, REBALANCE_IN_PROGRESS, false, "the group is rebalancing, join again") \
    X(28, INVALID_COMMIT_OFFSET_SIZE, false, "the offset commit is too large") \
    X(29, TOPIC_AUTHORIZATION_FAILED, false, "not allowed on this topic") \
    X(30, GROUP_AUTHORIZATION_FAILED, false, "not allowed on this group") \
    X(31, CLUSTER_AUTHORIZATION_FAILED, false, "not allowed on the cluster") \
    X(32, INVALID_TIMESTAMP, false, "a record's timestamp is out of range") \
    X(33, UNSUPPORTED_SASL_MECHANISM, false, "the SASL mechanism is not offered") \
    X(34, ILLEGAL_SASL_STATE, false, "this SASL request is not expected now") \
    X(35, UNSUPPORTED_VERSION, false, "the version of the API is not supported") \
    X(36, TOPIC_ALREADY_EXISTS, false, "the topic exists already") \
    X(37, INVALID_PARTITIONS, false, "the number of partitions is not valid") \
    X(38, INVALID_REPLICATION_FACTOR, false, "the replication factor cannot be met") \
    X(39, INVALID_REPLICA_ASSIGNMENT, false, "the replica assignment is not valid") \
    X(40, INVALID_CONFIG, false, "the configuration is not valid") \
    X(41, NOT_CONTROLLER, true, "this broker is not the controller") \
    X(42, INVALID_REQUEST, false, "the request contradicts itself") \
    X(43, UNSUPPORTED_FOR_MESSAGE_FORMAT, false, "the message format cannot do this") \
    X(44, POLICY_VIOLATION, false, "a policy of the broker forbids this") \
    X(45, OUT_OF_ORDER_SEQUENCE_NUMBER, false, "a sequence number does not follow the last one") \
    X(46, DUPLICATE_SEQUENCE_NUMBER, false, "the sequence number was seen before") \
    X(47, INVALID_PRODUCER_EPOCH, false, "the producer's epoch is outdated") \
    X(48, INVALID_TXN_STATE, false, "the transaction is not in a state for this") \
    X(49, INVALID_PRODUCER_ID_MAPPING, false, \
      "the producer id does not belong to this transactional id") \
    X(50, INVALID_TRANSACTION_TIMEOUT, false, "the transaction timeout is out of range") \
    X(51, CONCURRENT_TRANSACTIONS, true, "another change of this transaction is under way") \
    X(52, TRANSACTION_COORDINATOR_FENCED, false, "the transaction coordinator was replaced") \
    X(53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, false, "not allowed on this transactional id") \
    X(54, SECURITY_DISABLED, false, "security is switched off") \
    X(55, OPERATION_NOT_ATTEMPTED, false, "not tried, as another part of the request failed") \
    X(56, KAFKA_STORAGE_ERROR, true, "the disk failed") \
    X(57, LOG_DIR_NOT_FOUND, false, "the log directory does not exist") \
    X(58, SASL_AUTHENTICATION_FAILED, false, "authentication failed") \
    X(59, UNKNOWN_PRODUCER_ID, false, "the producer id is not known here") \
    X(60, REASSIGNMENT_IN_PROGRESS, false, "a reassignment is under way") \
    X(61, DELEGATION_TOKEN_AUTH_DISABLED, false, "delegation tokens are switched off") \
    X(62, DELEGATION_TOKEN_NOT_FOUND, false, "the delegation token does not exist") \
    X(63, DELEGATION_TOKEN_OWNER_MISMATCH, false, "the token belongs to somebody else") \
    X(64, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, false, \
      "tokens cannot be requested on this connection") \
    X(65, DELEGATION_TOKEN_AUTHORIZATION_FAILED, false, "not allowed to use this token") \
    X(66, DELEGATION_TOKEN_EXPIRED, false, "the delegation token has expired") \
    X(67, INVALID_PRINCIPAL_TYPE, false, "the principal type is not supported") \
    X(68, NON_EMPTY_GROUP, false, "the group still has members") \
    X(69, GROUP_ID_NOT_FOUND, false, "the group does not exist") \
    X(70, FETCH_SESSION_ID_NOT_FOUND, true, "the fetch session does not exist") \
    X(71, INVALID_FETCH_SESSION_EPOCH, true, "the fetch session is at another epoch") \
    X(72, LISTENER_NOT_FOUND, true, "the leader has no listener of this name") \
    X(73, TOPIC_DELETION_DISABLED, false, "topics cannot be deleted here") \
    X(74, FENCED_LEADER_EPOCH, true, "the client's leader epoch is outdated") \
    X(75, UNKNOWN_LEADER_EPOCH, true, "the client's leader epoch is newer than ours") \
    X(76, UNSUPPORTED_COMPRESSION_TYPE, false, "the compression type is not supported here") \
    X(77, STALE_BROKER_EPOCH, false, "the broker's epoch is outdated") \
    X(78, OFFSET_NOT_AVAILABLE, true, "the offset is not readable yet") \
    X(79, MEMBER_ID_REQUIRED, false, "the member must join again with its new id") \
    X(80, PREFERRED_LEADER_NOT_AVAILABLE, true, "the preferred leader is not available") \
    X(81, GROUP_MAX_SIZE_REACHED, false, "the group is full") \
    X(82, FENCED_INSTANCE_ID, false, "another member took over this instance id") \
    X(83, ELIGIBLE_LEADERS_NOT_AVAILABLE, true, "no replica may become leader") \
    X(84, ELECTION_NOT_NEEDED, true, "the leader is already the right one") \
    X(85, NO_REASSIGNMENT_IN_PROGRESS, false, "no reassignment is under way") \
    X(86, GROUP_SUBSCRIBED_TO_TOPIC, false, "the group is subscribed to the topic") \
    X(87, INVALID_RECORD, false, "a record breaks a rule of the broker") \
    X(88, UNSTABLE_OFFSET_COMMIT, true, "offsets of an open transaction are pending") \
    X(89, THROTTLING_QUOTA_EXCEEDED, true, "the quota is used up, try later") \
    X(90, PRODUCER_FENCED, false, "a newer producer took over") \
    X(91, RESOURCE_NOT_FOUND, false, "the resource does not exist") \
    X(92, DUPLICATE_RESOURCE, false, "the resource exists already") \
    X(93, UNACCEPTABLE_CREDENTIAL, false, "the credential is not acceptable") \
    X(94, INCONSISTENT_VOTER_SET, false, "the voter sets differ") \
    X(95, INVALID_UPDATE_VERSION, false, "the feature level is out of range") \
    X(96, FEATURE_UPDATE_FAILED, false, "the features could not be updated") \
    X(97, PRINCIPAL_DESERIALIZATION_FAILURE, false, "the forwarded principal cannot be read") \
    X(98, SNAPSHOT_NOT_FOUND, false, "the snapshot does not exist") \
    X(99, POSITION_OUT_OF_RANGE, false, "the position is outside the snapshot") \
    X(100, UNKNOWN_TOPIC_ID, true, "no topic has this id") \
    X(101, DUPLICATE_BROKER_REGISTRATION, false, "a broker of this id is registered") \
    X(102, BROKER_ID_NOT_REGISTERED, false, "the broker id is not registered") \
    X(103, INCONSISTENT_TOPIC_ID, true, "the topic id does not match the log") \
    X(104, INCONSISTENT_CLUSTER_ID, false, "the cluster id is another one") \
    X(105, TRANSACTIONAL_ID_NOT_FOUND, false, "the transactional id does not exist") \
    X(106, FETCH_SESSION_TOPIC_ID_ERROR, true, "the fetch session mixes topic ids and names") \
    X(107, INELIGIBLE_REPLICA, false, "the replica may not join the in-sync set") \
    X(108, NEW_LEADER_ELECTED, false, "the request moved the leadership") \
    X(109, OFFSET_MOVED_TO_TIERED_STORAGE, false, "the offset lies in remote storage") \
    X(110, FENCED_MEMBER_EPOCH, false, "the member's epoch is fenced") \
    X(111, UNRELEASED_INSTANCE_ID, false, "another member holds this instance id") \
    X(112, UNSUPPORTED_ASSIGNOR, false, "the assignor is not supported") \
    X(113, STALE_MEMBER_EPOCH, false, "the member's epoch is outdated") \
    X(114, MISMATCHED_ENDPOINT_TYPE, false, "the endpoint is of another type") \
    X(115, UNSUPPORTED_ENDPOINT_TYPE, false, "the endpoint type is not known") \
    X(116, UNKNOWN_CONTROLLER_ID, false, "the controller id is not known") \
    X(117, UNKNOWN_SUBSCRIPTION_ID, false, "the telemetry subscription is outdated") \
    X(118, TELEMETRY_TOO_LARGE, false, "the telemetry push is too large") \
    X(119, INVALID_REGISTRATION, false, "the registration is not valid") \
    X(120, TRANSACTION_ABORTABLE, false, "the transaction must be aborted") \
    X(121, INVALID_RECORD_STATE, false, "the record is not in a state for this") \
    X(122, SHARE_SESSION_NOT_FOUND, true, "the share session does not exist") \
    X(123, INVALID_SHARE_SESSION_EPOCH, true, "the share session is at another epoch") \
    X(124, FENCED_STATE_EPOCH, false, "the state epoch is fenced") \
    X(125, INVALID_VOTER_KEY, false, "the voter's directory id does not match") \
    X(126, DUPLICATE_VOTER, false, "the voter exists already") \
    X(127, VOTER_NOT_FOUND, false, "the voter does not exist") \
    X(128, INVALID_REGULAR_EXPRESSION, false, "the regular expression is not valid") \
    X(129, REBOOTSTRAP_REQUIRED, false, "the client must bootstrap again") \
    X(130, STREAMS_INVALID_TOPOLOGY, false, "the topology is not valid") \
    X(131, STREAMS_INVALID_TOPOLOGY_EPOCH, false, "the topology's epoch is not valid") \
    X(132, STREAMS_TOPOLOGY_FENCED, false, "the topology is outdated") \
    X(133, SHARE_SESSION_LIMIT_REACHED, true, "too many share sessions")
/* clang-format on */

/* ERROR_NONE, ERROR_OFFSET_OUT_OF_RANGE ... */
enum error_code {
#define X(number, name, retriable, text) ERROR_##name = (number),
    ERROR_CODES(X)
#undef X
};

/* "NONE", "OFFSET_OUT_OF_RANGE" ...; a number that Kafka does not have is UNKNOWN_SERVER_ERROR. */
const char *error_name(int16_t code);

/* What it means, in a few words. */
const char *error_text(int16_t code);

/* True when the same request may work later. */
bool error_is_retriable(int16_t code);

#endif

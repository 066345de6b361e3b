/* The bit fields of authorized operations (Kafka's AclEntry.java): without an authorizer all that a
 * resource has. */
#ifndef DATAPLANE_BROKER_OPERATIONS_ALLOWED_H
#define DATAPLANE_BROKER_OPERATIONS_ALLOWED_H

/* Kafka's AclOperation.java. */
enum acl_operation {
    ACL_READ = 3,
    ACL_WRITE = 4,
    ACL_CREATE = 5,
    ACL_DELETE = 6,
    ACL_ALTER = 7,
    ACL_DESCRIBE = 8,
    ACL_CLUSTER_ACTION = 9,
    ACL_DESCRIBE_CONFIGS = 10,
    ACL_ALTER_CONFIGS = 11,
    ACL_IDEMPOTENT_WRITE = 12,
};

enum {
    TOPIC_OPERATIONS = 1 << ACL_READ | 1 << ACL_WRITE | 1 << ACL_CREATE | 1 << ACL_DELETE |
                       1 << ACL_ALTER | 1 << ACL_DESCRIBE | 1 << ACL_DESCRIBE_CONFIGS |
                       1 << ACL_ALTER_CONFIGS,
    CLUSTER_OPERATIONS = 1 << ACL_CREATE | 1 << ACL_CLUSTER_ACTION | 1 << ACL_DESCRIBE_CONFIGS |
                         1 << ACL_ALTER_CONFIGS | 1 << ACL_IDEMPOTENT_WRITE | 1 << ACL_ALTER |
                         1 << ACL_DESCRIBE,
};

#endif

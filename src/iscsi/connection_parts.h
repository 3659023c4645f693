/*
 * What the files of the connection share among themselves. Nobody else includes it.
 */
#pragma once

#include "iscsi/connection.h"

enum phase {
    PHASE_LOGIN,
    PHASE_WAITING, /* a login that needs a disk opened or a predecessor gone */
    PHASE_FULL,    /* full feature phase */
    PHASE_LEAVING, /* the last PDU was said */
    PHASE_GONE,
};

enum frame { FRAME_HEADER, FRAME_DATA, FRAME_TRAILER };

struct batch;

struct connection {
    struct connection *next, **previous;
    struct iscsi_loop *loop;
    struct stream *stream;
    struct loop_timer *timer;
    struct sockaddr_in peer;
    enum phase phase;
    struct registry_entry entry;

    struct login *login;     /* until full feature phase */
    struct session *session; /* from then on */
    struct machine machine;  /* as it was at login; id 0 for discovery */
    struct work work;        /* opening and closing disks */
    bool working;
    int open_result;
    struct open_disk *disks[SCSI_LUNS_MAX]; /* by LUN; its worker's while it is working */
    bool renewing;                          /* its machine may have got or lost disks */
    struct registry_predecessor predecessor;

    enum frame frame;
    struct pdu pdu; /* whose data segment is coming */
    uint8_t *place;
    size_t placed_bytes;
    uint8_t trailer[PDU_DIGEST_BYTES + 3];
    size_t trailer_bytes;

    struct batch *open_batch; /* writes of this turn */
    unsigned batches;         /* at workers */
    bool ending;              /* `finish_end` is on its way */
    bool is_firmware;
};

/* connection.c */

/* Closes and frees, at once or when what runs for it has come home. `how` is for the event. */
void connection_end(struct connection *c, const char *how);
/* Something of an ended connection came home from a worker. */
void connection_go_on_ending(struct connection *c);
/* The last PDU was said: the initiator may close first. */
void connection_leave(struct connection *c);

/* connection_tell.c */

void connection_tell_refused(struct connection *c, const char *why);
/* A living session keeps the place that this one asked for. */
void connection_tell_conflict(struct connection *c);
void connection_tell_login(struct connection *c);
void connection_tell_stages(struct connection *c);
void connection_tell_end(struct connection *c, const char *how);
void connection_publish(struct connection *c);

/* connection_login.c */

void connection_handle_login(struct connection *c, enum login_outcome outcome);
/* The disks are open. Older sessions with the same names must be gone before this one begins. */
void connection_try_to_enter(struct connection *c);

/* connection_disks.c */

/* Those of its machine. May block. Negative errno if the first cannot be opened; others may stay away. */
int connection_open_disks(struct connection *c);
/* May block. */
void connection_close_disks(struct connection *c);
/* What is open becomes LUNs. */
int connection_attach_disks(struct connection *c);
/* Its machine may have other disks than it knows. */
void connection_renew_disks(struct connection *c);
/* Some commands have ended, on which that may have waited. */
void connection_go_on_renewing(struct connection *c);

/* connection_input.c */

extern const struct stream_handler connection_handler;

/* connection_work.c */

/* Executes what is ready, as far as that does not wait; the rest goes to workers. */
void connection_execute(struct connection *c);
/* The next piece of a task's data-in is read by a worker. */
void connection_read_elsewhere(struct connection *c, struct task *task);

/* connection_output.c */

/* Does what can be done now, and says what can be said. */
void connection_go_on(struct connection *c);
/* Says what can be said. */
void connection_put_output(struct connection *c);
/* Tells the initiator that the connection is about to end, if it is one that understands that. */
void connection_announce_end(struct connection *c);

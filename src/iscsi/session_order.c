/*
 * Task attributes (SAM-5 section 8): ORDERED waits for all that came before it, what comes after it waits for it, and
 * HEAD OF QUEUE waits for nobody.
 *
 * A session is one task set (TST 001b in the Control mode page), all its LUNs together: to wait for another LUN, too,
 * is more order than was asked for. A dormant task takes its data, but does not start.
 */
#include "iscsi/session_parts.h"

enum { ATTRIBUTE_ORDERED = 2, ATTRIBUTE_HEAD_OF_QUEUE = 3 };

static unsigned attribute_of(const struct task *task)
{
    return task->flags & PDU_ATTRIBUTES;
}

static bool must_wait(const struct session *session, const struct task *task)
{
    if (attribute_of(task) == ATTRIBUTE_HEAD_OF_QUEUE)
        return false;
    return session->dormant || session->ordered_is_active ||
           (attribute_of(task) == ATTRIBUTE_ORDERED && session->active_tasks);
}

static void activate(struct session *session, struct task *task)
{
    task->dormant = false;
    session->active_tasks++;
    session->ordered_is_active |= attribute_of(task) == ATTRIBUTE_ORDERED;
}

static void add_dormant(struct session *session, struct task *task)
{
    struct task **last = &session->dormant;

    while (*last)
        last = &(*last)->next_dormant;
    task->dormant = true;
    task->next_dormant = NULL;
    *last = task;
}

static void remove_dormant(struct session *session, const struct task *task)
{
    struct task **at = &session->dormant;

    while (*at != task)
        at = &(*at)->next_dormant;
    *at = task->next_dormant;
}

void session_admit(struct session *session, struct task *task)
{
    if (must_wait(session, task))
        add_dormant(session, task);
    else
        activate(session, task);
}

static bool may_start(const struct session *session, const struct task *task)
{
    return !session->ordered_is_active && (attribute_of(task) != ATTRIBUTE_ORDERED || !session->active_tasks);
}

void session_dismiss(struct session *session, struct task *task)
{
    if (task->dormant) {
        remove_dormant(session, task);
    } else {
        session->active_tasks--;
        if (attribute_of(task) == ATTRIBUTE_ORDERED)
            session->ordered_is_active = false;
    }
    while (session->dormant && may_start(session, session->dormant)) {
        struct task *first = session->dormant;
        remove_dormant(session, first);
        activate(session, first);
        if (first->state == TASK_HELD)
            session_start(session, first);
    }
}

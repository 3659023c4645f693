/*
 * A session fed with any PDUs: 48 bytes of header, then as much data as it says (and there is).
 */
#include "iscsi/session.h"
#include "memory_volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK_BYTES = 1 << 20 };

static void take(struct session *session, struct pdu *pdu, struct reader *r, bool *broken)
{
    pdu->data_bytes = (uint32_t)MIN((size_t)pdu->data_bytes, reader_left(r));
    const uint8_t *data = reader_bytes(r, pdu->data_bytes);
    uint8_t *place = NULL;

    if (pdu->opcode != PDU_SCSI_COMMAND && pdu->opcode != PDU_DATA_OUT) {
        *broken = session_request(session, pdu, data) == SESSION_BROKEN;
        return;
    }
    *broken = session_begin_data(session, pdu, &place) == SESSION_BROKEN;
    if (place && pdu->data_bytes)
        memcpy(place, data, pdu->data_bytes);
    if (!*broken)
        *broken = session_end_data(session, pdu) == SESSION_BROKEN;
}

static void work(struct session *session)
{
    static uint8_t data[TASK_PIECE_BYTES];
    struct session_output out;
    struct task *task;

    while ((task = session_next_ready(session))) {
        scsi_execute(&task->scsi, VOLUME_MAY_WAIT);
        session_executed(session, task);
    }
    while (session_next(session, &out)) {
        if (out.read && scsi_read(&out.task->scsi, out.read_offset, data, out.read_bytes, VOLUME_NO_WAIT) < 0)
            session_read_failed(session, out.task);
        else
            session_sent(session, &out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct session_parameters parameters = {.target_name = "iqn.target",
                                                  .discovery = size & 1,
                                                  .peer_max_recv_bytes = 512,
                                                  .immediate_data = true,
                                                  .max_burst_bytes = 8192,
                                                  .first_burst_bytes = 4096,
                                                  .max_outstanding_r2t = 2};
    struct reader r = reader_over(data, size);
    struct volume *volume = memory_volume_new(DISK_BYTES);
    struct scsi_disk *disk = scsi_disk_new(volume);
    struct session session;
    bool broken = false;

    session_init(&session, &parameters, 1, 0, 0);
    scsi_nexus_init(&session.nexus, "iqn.target", 1, "iqn.initiator,i,0x1");
    CHECK(scsi_nexus_attach(&session.nexus, 0, disk) == 0);
    COPY_STRING(session.visible_target, "iqn.target");
    iscsi_text_put(&session.targets, "TargetName", "iqn.target");
    while (!broken && reader_left(&r) >= PDU_HEADER_BYTES) {
        struct pdu pdu = pdu_decode(reader_bytes(&r, PDU_HEADER_BYTES));
        take(&session, &pdu, &r, &broken);
        work(&session);
    }
    session_end(&session);
    scsi_disk_unref(disk);
    memory_volume_free(volume);
    return 0;
}

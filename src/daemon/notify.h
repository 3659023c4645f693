/*
 * Telling the service manager how far we are (sd_notify(3)); silent where nobody asked.
 */
#pragma once

/* "READY=1", "STOPPING=1", "STATUS=…". */
void notify_manager(const char *state);

/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines on standard error, off by default: DMAMAP_LOG=error|warn|info|debug. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_OFF, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_level log_level(void);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

# SPDX-License-Identifier: MIT
"""Replies of the mailbox that never change. Generated from hw/regs/replies.toml by `make regs`; do not edit."""

from __future__ import annotations

from uuid import UUID

from hw.codes import Opcode

COMMAND_EFFECTS_LOG = UUID("0da9c0b5-bf41-4b78-8f79-96b1623b3f17")


def constant_replies(capacity: int, poison_records: int) -> dict[Opcode, bytes]:
    """The replies, by command; that to Get Log is the whole Command Effects Log.

    Args:
        capacity: of the perceived pages, in whole units of 256 MiB.
        poison_records: pages that can be poison, at most 24 bits.
    """
    return {
        Opcode.IDENTIFY: b"".join(
            (
                _bytes(16, 0x302E302E31206D61726376),  # firmware_revision
                _bytes(8, capacity),  # total_capacity
                _bytes(8, capacity),  # volatile_only_capacity
                _bytes(8, 0x0),  # persistent_only_capacity
                _bytes(8, 0x0),  # partition_alignment
                _bytes(2, 0x10),  # informational_log_size
                _bytes(2, 0x10),  # warning_log_size
                _bytes(2, 0x10),  # failure_log_size
                _bytes(2, 0x10),  # fatal_log_size
                _bytes(4, 0x0),  # lsa_size
                _bytes(3, poison_records),  # poison_list_maximum
                _bytes(2, 0x0),  # inject_poison_limit
                _bytes(1, 0x0),  # poison_handling
                _bytes(1, 0x0),  # qos_telemetry
            )
        ),
        Opcode.GET_FW_INFO: b"".join(
            (
                _bytes(1, 0x1),  # slots_supported
                _bytes(1, 0x1),  # slot_info
                _bytes(1, 0x0),  # activation_capabilities
                _bytes(13, 0x0),  # reserved
                _bytes(16, 0x302E302E31206D61726376),  # slot_1_revision
                _bytes(16, 0x0),  # slot_2_revision
                _bytes(16, 0x0),  # slot_3_revision
                _bytes(16, 0x0),  # slot_4_revision
            )
        ),
        Opcode.GET_SUPPORTED_LOGS: b"".join(
            (
                _bytes(2, 0x1),  # log_count
                _bytes(6, 0x0),  # reserved
                _bytes(16, 0x173F3B62B196798F784B41BFB5C0A90D),  # command_effects_log
                _bytes(4, 0x68),  # command_effects_log_size
            )
        ),
        Opcode.GET_PARTITION_INFO: b"".join(
            (
                _bytes(8, capacity),  # active_volatile_capacity
                _bytes(8, 0x0),  # active_persistent_capacity
                _bytes(8, 0x0),  # next_volatile_capacity
                _bytes(8, 0x0),  # next_persistent_capacity
            )
        ),
        Opcode.GET_LOG: b"".join(
            (
                _bytes(4, 0x100),  # GET_EVENT_RECORDS
                _bytes(4, 0x100101),  # CLEAR_EVENT_RECORDS
                _bytes(4, 0x102),  # GET_EVENT_INTERRUPT_POLICY
                _bytes(4, 0x80103),  # SET_EVENT_INTERRUPT_POLICY
                _bytes(4, 0x200),  # GET_FW_INFO
                _bytes(4, 0x300),  # GET_TIMESTAMP
                _bytes(4, 0x80301),  # SET_TIMESTAMP
                _bytes(4, 0x400),  # GET_SUPPORTED_LOGS
                _bytes(4, 0x401),  # GET_LOG
                _bytes(4, 0x4000),  # IDENTIFY
                _bytes(4, 0x4100),  # GET_PARTITION_INFO
                _bytes(4, 0x4200),  # GET_HEALTH_INFO
                _bytes(4, 0x4201),  # GET_ALERT_CONFIGURATION
                _bytes(4, 0x84202),  # SET_ALERT_CONFIGURATION
                _bytes(4, 0x4300),  # GET_POISON_LIST
                _bytes(4, 0x44301),  # INJECT_POISON
                _bytes(4, 0x44302),  # CLEAR_POISON
                _bytes(4, 0x444400),  # SANITIZE
                _bytes(4, 0x44402),  # MEDIA_OPERATIONS
                _bytes(4, 0xC000),  # GET_CAPACITY
                _bytes(4, 0xC001),  # GET_PAGE_STATE
                _bytes(4, 0xC002),  # EXPORT_BLOCK
                _bytes(4, 0xC003),  # FLUSH
                _bytes(4, 0x4C004),  # IMPORT_BLOCK
                _bytes(4, 0x10C005),  # GET_HOT_PAGES
                _bytes(4, 0x8C006),  # SET_FENCE
            )
        ),
    }


def _bytes(count: int, value: int) -> bytes:
    return value.to_bytes(count, "little")

"""Each sentence of SECURITY.md that promises something has a test; the others say what it does not protect
from, or what the user is to do.
"""

import ast
import re
from functools import cache

import pytest

from fakes.checkout import ROOT

#: The tests of each sentence by its first words, in the order of the page; "" if it promises nothing.
PROMISES = {
    "Downloaded files are not executed": "networks/checkpoints/test_hostile.py::test_the_writer_of_these_pickles_also_writes_valid_ones",
    "A wheel is opened as an archive": "packages/test_package_parts.py",
    "`posezoo get MODEL --dry_run` shows": "console/test_plan_report.py",
    "The files in a working folder do not decide": "core/test_settings.py::test_the_file_of_a_folder_cannot_run_trust_or_send_anything",
    "They decide what a name means": "",
    "A posezoo.cfg there can set": "lint/test_spoilt_registry.py::test_settings_change_no_card test_security_page.py::test_load_and_quiet_commands_name_the_folder_that_decides",
    "A posezoo.lock there lists": "core/lockfile/test_lockfile.py::test_what_is_recorded_is_the_pin_of_that_file_alone",
    "An .npmrc there is not read": "packages/test_npm_package.py",
    "No file of the cache folder is used": "core/download/test_digest_store.py::test_a_damaged_cache_entry_is_named_and_repaired",
    "A dry run starts no program": "omz/test_upstream_code.py::test_a_dry_run_runs_nothing",
    "A file beside the data, such as": "test_helper_files.py::test_no_command_waits_for_a_stranger_s_file_or_calls_it_a_bug",
    "The name of a video is a path": "media/test_video_encoders.py::test_a_video_with_a_colon_in_its_name_keeps_its_own_sound",
    "Downloaded code runs in one case": "omz/test_upstream_code.py::test_without_consent_nothing_runs_and_the_flag_is_named",
    "It runs in a sandbox": "omz/test_upstream_code.py::test_without_the_sandbox_nothing_runs_and_the_reason_is_named",
    "The code sees libraries": "omz/test_upstream_code.py::test_it_writes_only_into_the_folder_of_its_results",
    "It sees no other file": "omz/test_upstream_code.py::test_it_reads_no_file_of_the_user",
    "It writes to a temporary folder": "omz/test_upstream_code.py::test_a_special_file_among_its_results_is_refused",
    "It has no network and no capabilities": "omz/test_upstream_code.py::test_it_has_no_privileges_also_if_root_starts_it",
    "It can start threads": "omz/test_upstream_code.py::test_it_starts_no_process",
    "The only sockets that it can create": "omz/test_upstream_code.py::test_it_opens_no_socket",
    "It ends with posezoo": "omz/test_upstream_code.py::test_it_ends_when_posezoo_is_killed",
    "These have a limit": "omz/test_upstream_code.py::test_shared_memory_temporary_files_and_results_are_bounded",
    "The kernel uses memory for the code": "",
    "The code cannot enlarge the buffers": "omz/test_upstream_code.py::test_what_the_kernel_keeps_for_it_is_bounded",
    "Its temporary folder has at most": "omz/test_upstream_code.py::test_shared_memory_temporary_files_and_results_are_bounded",
    "If systemd runs": "omz/test_upstream_code.py::test_where_systemd_runs_it_gets_a_memory_scope_of_its_own",
    "This includes memory that is not listed": "omz/test_upstream_code.py::test_where_systemd_runs_it_gets_a_memory_scope_of_its_own",
    "These have no limit": "",
    "The sandbox shares the kernel": "",
    "The code can read the kernel's version": "",
    "Do not run such code as root": "",
    "posezoo does not check what the code computes": "",
    "posezoo unpickles no file": "omz/test_upstream_code.py::test_weights_that_are_code_are_refused",
    "It reads every byte of the published": "core/files/test_verified_files.py::test_a_file_is_read_whatever_its_times_and_its_record_say core/pipeline/test_forged_records.py::test_a_forged_record_makes_no_changed_ir_pass",
    "With `--locked`, it also reads": "core/pipeline/test_forged_records.py::test_with_a_lock_a_changed_published_file_is_found_although_the_ir_is_right",
    "A conversion compares the members": "core/pipeline/test_forged_records.py::test_a_forged_manifest_makes_no_changed_member_of_an_archive_an_original core/pipeline/test_forged_records.py::test_a_forged_manifest_makes_no_other_text_of_a_changed_one",
    "If an archive was removed": "core/pipeline/test_forged_records.py::test_without_its_archive_the_members_of_a_manifest_are_no_proof",
    "An IR is used if": "core/convert/test_conversion.py::test_a_damaged_ir_is_made_again",
    "If you did not make the IR": "core/pipeline/test_forged_records.py::test_a_loaded_model_has_the_bytes_of_the_lock",
    "In a folder of others": "",
    "A run that was interrupted continues": "run/test_result_journal.py::test_a_line_that_is_no_result_is_left_out_and_a_whole_one_is_believed",
    "No result and no download replaces": "cli/test_kept_files.py::test_a_file_of_the_user_is_kept_under_another_name",
    "A file under its final name": "core/download/test_file_download.py::test_each_digest_that_is_declared_is_checked",
    "A download never exceeds": "core/download/test_http.py::test_a_compressed_body_is_decompressed_no_further_than_declared",
    "Networks of other publishers are read": "core/convert/test_reader_process.py::test_a_file_that_ends_its_reader_fails_alone",
    "If a file crashes OpenVINO": "core/convert/test_reader_process.py::test_the_python_api_raises_one_error_and_works_on",
    "The child process has the rights": "",
    "So it does not protect you": "",
    "A published IR needs no conversion": "",
    "A registry contains data only": "core/declarations/test_bad_files.py",
    "For a malicious model.yml": "core/declarations/test_bad_files.py::test_the_bad_one_selected_fails_before_any_request",
    "If a folder of models has a symbolic link": "cli/test_links_out.py::test_nothing_is_written_through_a_link_out_of_the_folder",
    "If a link has the name of a file": "cli/test_links_out.py::test_a_link_in_place_of_a_file_is_replaced_but_not_its_target",
    "An archive is unpacked completely": "core/download/test_archive.py::test_an_unsafe_name_is_refused_and_nothing_is_written",
    "Only regular files inside": "core/download/test_archive.py::test_links_and_devices_are_refused",
    "posezoo does not follow a redirect": "core/download/test_url_rules.py::test_a_public_name_leads_to_no_private_address_unless_that_is_allowed",
    "`--allow_private_redirects` allows it": "core/download/test_url_rules.py::test_a_public_name_leads_to_no_private_address_unless_that_is_allowed",
    "With a proxy": "",
    "At link-local addresses": "core/download/test_http.py::test_a_link_local_address_is_reached_only_if_the_user_named_it",
    "No model.yml, redirect or answer": "core/download/test_url_rules.py::test_an_address_that_a_gateway_makes_link_local_is_refused",
    "The login in the address of an http camera": "media/test_frame_sources.py::test_a_network_camera_gets_the_login_of_its_address",
    "FFmpeg reads streams": "media/test_frame_sources.py::test_a_redirect_of_a_network_camera_to_a_clouds_passwords_is_refused",
    "But FFmpeg resolves the host name again": "",
    "Use only streams of servers": "",
    "Responses that are read into memory": "core/download/test_http.py::test_an_absurd_length_is_refused",
    "`--stall_timeout` without data": "core/download/test_http.py::test_a_stall_after_a_good_beginning_is_given_up",
    "A conversion reads its file": "core/convert/test_reader_process.py::test_a_process_is_ended_by_its_cpu_time_or_much_later_by_the_clock",
    "If posezoo itself is killed": "core/workers/test_processes.py::test_a_process_and_what_it_started_ends_with_its_parent",
    "Text from servers, files": "cli/test_shown_text.py::test_no_event_controls_the_terminal",
    "Passwords, tokens and user names": "cli/test_shown_text.py::test_no_command_shows_the_password_of_a_malformed_address",
    "`--locked` accepts only": "core/lockfile/test_lockfile.py::test_a_strict_lock_allows_no_ir_that_it_does_not_list core/pipeline/test_forged_records.py",
    "It checks no signature of the lock": "",
    "`--cluster ADDRESS` sends": "scale/test_cluster.py",
    "It never sends downloaded files": "scale/test_cluster.py",
    "Anyone who can connect": "",
    "Use only clusters": "",
    "`--cluster local` opens no port": "scale/test_cluster.py",
    "posezoo sends no telemetry": "test_telemetry.py::test_a_verb_reports_to_nobody",
    "OpenVINO, NNCF": "core/ir/test_openvino_import.py::test_its_telemetry_is_never_imported test_telemetry.py::test_no_package_that_posezoo_installs_reports_when_it_imports_it",
    "Programs that `posezoo export` writes": "test_telemetry.py::test_an_exported_program_reports_to_nobody",
    "A package that your own program imports": "",
    "If no model is named": "run/test_default_model.py::test_the_security_page_names_the_hosts_of_our_list",
    "It sends them nothing but": "",
    "With a name, `POSEZOO_DEFAULT`": "run/test_default_model.py::test_a_setting_a_mirror_and_a_lock_decide_and_keep_nothing",
}


def read_sentences():
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    promised = page[page.index("These promises are covered by tests:") :]
    for point in re.split(r"\n\s*- ", promised)[1:]:
        yield from re.split(r"(?<=[.:])\s+(?=[A-Z`])", " ".join(point.split()))


@cache
def list_tests(name):
    tree = ast.parse((ROOT / "tests" / name).read_text("utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def test_each_sentence_has_a_test_or_promises_nothing():
    sentences = list(read_sentences())
    without = [each for each in sentences if not each.startswith(tuple(PROMISES))]
    assert without == [], "these need a test, or promise nothing"
    gone = [words for words in PROMISES if not any(each.startswith(words) for each in sentences)]
    assert gone == []


@pytest.mark.parametrize("words", [words for words, tests in PROMISES.items() if tests])
def test_the_tests_of_a_sentence_exist(words):
    for test in PROMISES[words].split():
        file, _, name = test.partition("::")
        assert not name or name in list_tests(file)
        assert any(each.startswith("test_") for each in list_tests(file))


def test_load_and_quiet_commands_name_the_folder_that_decides(tmp_path, monkeypatch):
    import posezoo
    from fakes.command import posezoo_process
    from fakes.zoo import model_yml, write_model
    from posezoo.core.errors import PosezooError

    write_model(tmp_path / "models", "net", model_yml())
    (tmp_path / "posezoo.cfg").write_text("[posezoo]\nmodels_dir = models\n")
    ended = posezoo_process("run", "net", "-q", "-i", "photo.png", cwd=tmp_path)
    line = "uses the models of the folder models, as ./posezoo.cfg says"
    assert f"note: this command {line}\n" in ended.stderr
    monkeypatch.chdir(tmp_path)
    events = []
    with pytest.raises(PosezooError):
        posezoo.load("net", listener=events.append)
    assert f"this program {line}" in [getattr(event, "message", "") for event in events]

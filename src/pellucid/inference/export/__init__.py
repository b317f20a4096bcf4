"""Networks as files that other programs run: ONNX, and OpenVINO's own format."""

from pellucid.inference.export.files import Exported, export_model, export_onnx, export_openvino

__all__ = ["Exported", "export_model", "export_onnx", "export_openvino"]
